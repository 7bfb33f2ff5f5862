"""Splitting a document into chunks of tokens, at paragraph or sentence borders where possible.

Chunks are made from left to right without looking back, so that a text made of a repeated block gives repeated chunks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from transformers import PreTrainedTokenizerBase

PIECES_AT_ONCE = 256

# A sentence ends at . ! ? or their like, with closing quotes, before white space; a paragraph at an empty line, a list
# item or table row at a line break. White space stays with the sentence that it opens.
_BORDER = re.compile(r"(?<=[.!?…])[\"'”’)\]]*(?=\s)|(?<=[。！？])|(?=\n)")
# No sentence ends after these: titles, initials, Latin abbreviations, numbered things.
_NO_END = re.compile(
    r"(?:\b(?:[A-Z]|Dr|Mr|Mrs|Ms|Prof|St|Sr|Jr|No|Nos|Fig|Figs|Eq|vs|etc|approx|ca|cf|e\.g|i\.e|al|vol|pp?)\.)$"
)


def split_into_chunks(text: str, tokenizer: PreTrainedTokenizerBase, chunk_tokens: int) -> Iterator[list[int]]:
    """Split a text into chunks, lazily.

    Args:
        text: the document.
        tokenizer: the base's tokenizer; no special tokens are added.
        chunk_tokens: longest chunk, in tokens.

    Yields:
        Token ids of each chunk. Whole sentences fill a chunk until the next would not fit; a chunk that is at least
        half full ends at a paragraph border rather than begin a paragraph that it cannot hold. A sentence longer than
        a chunk is cut between tokens.
    """
    paragraph: list[list[int]] = []
    chunk: list[int] = []
    for ids, opens_paragraph in _tokenized_sentences(text, tokenizer):
        if opens_paragraph and paragraph:
            yield from _place(paragraph, chunk, chunk_tokens)
            paragraph = []
        paragraph.append(ids)
        if sum(map(len, paragraph)) > chunk_tokens:
            yield from _place(paragraph, chunk, chunk_tokens)
            paragraph = []
    yield from _place(paragraph, chunk, chunk_tokens)
    if chunk:
        yield chunk


def split_into_sentences(text: str) -> Iterator[str]:
    """Sentences, headings and lines of a text, in order; nothing is lost, white space opens the piece it precedes."""
    start = 0
    for match in _BORDER.finditer(text):
        piece = text[start : match.end()]
        if piece.strip() and not _NO_END.search(piece):
            yield piece
            start = match.end()
    if text[start:].strip():
        yield text[start:]


def _place(sentences: list[list[int]], chunk: list[int], chunk_tokens: int) -> Iterator[list[int]]:
    """Add sentences of one paragraph to `chunk`, yielding and emptying it each time it is full."""
    length = sum(map(len, sentences))
    if chunk and 2 * len(chunk) >= chunk_tokens and len(chunk) + length > chunk_tokens:
        yield chunk.copy()
        chunk.clear()
    for ids in sentences:
        if chunk and len(chunk) + len(ids) > chunk_tokens:
            yield chunk.copy()
            chunk.clear()
        while len(ids) > chunk_tokens:
            yield ids[:chunk_tokens]
            ids = ids[chunk_tokens:]
        chunk += ids


def _tokenized_sentences(text: str, tokenizer: PreTrainedTokenizerBase) -> Iterator[tuple[list[int], bool]]:
    """Token ids of each sentence, and whether it opens a paragraph; many are tokenized in one call."""
    pieces: list[str] = []
    for piece in split_into_sentences(text):
        pieces.append(piece)
        if len(pieces) == PIECES_AT_ONCE:
            yield from _tokenize(pieces, tokenizer)
            pieces = []
    if pieces:
        yield from _tokenize(pieces, tokenizer)


def _tokenize(pieces: list[str], tokenizer: PreTrainedTokenizerBase) -> Iterator[tuple[list[int], bool]]:
    encoded = tokenizer(pieces, add_special_tokens=False)["input_ids"]
    for piece, ids in zip(pieces, encoded, strict=True):
        blank = piece[: len(piece) - len(piece.lstrip())]
        yield ids, blank.count("\n") > 1
