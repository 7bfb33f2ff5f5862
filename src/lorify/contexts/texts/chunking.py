"""Split a document into chunks of tokens, at paragraph or sentence boundaries where possible.

Chunks are built from left to right without looking back, so a text that repeats a block gives repeated chunks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from transformers import PreTrainedTokenizerBase

from lorify.base.chat.control_tokens import encode_plain_batch

PIECES_AT_ONCE = 256

# A sentence ends at . ! ? or a similar mark plus closing quotes, before whitespace; a paragraph, list item or table row
# ends at a line break. Whitespace belongs to the next sentence.
_BOUNDARY = re.compile(r"(?<=[.!?…])[\"'”’)\]]*(?=\s)|(?<=[。！？])|(?=\n)")
# Sentences do not end after titles, initials, Latin abbreviations, or abbreviations before a number.
_NO_END = re.compile(
    r"(?:\b(?:[A-Z]|Dr|Mr|Mrs|Ms|Prof|St|Sr|Jr|No|Nos|Fig|Figs|Eq|vs|etc|approx|ca|cf|e\.g|i\.e|al|vol|pp?)\.)$"
)
# Nor after these, if a lower-case word or a number follows: `Max. head: 4 m`. Elsewhere they may end a sentence.
_ABBREVIATION = re.compile(
    r"\b(?:max|min|incl|excl|avg|est|tel|ext|temp|diam|dept|ref|qty|art|pos|nr|op|opt|spec|std|tot|wt|vol)\.$",
    re.IGNORECASE,
)
_CONTINUES = re.compile(r"[ \t]+[a-z\d(]")
_LONGEST_NO_END = 16
_NOT_BLANK = re.compile(r"\S")


def split_into_chunks(text: str, tokenizer: PreTrainedTokenizerBase, chunk_tokens: int) -> Iterator[list[int]]:
    """Split a text into chunks, lazily.

    Args:
        text: the document.
        tokenizer: the base's tokenizer; no special tokens are added.
        chunk_tokens: maximum length of a chunk, in tokens.

    Yields:
        Token ids of each chunk. A chunk is filled with whole sentences. If it is at least half full, it ends before a
        paragraph that does not fit into it. A sentence longer than a chunk is split between tokens.
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
    """Split a text into sentences, headings and lines.

    Yields:
        Pieces in order, each with the whitespace before it. Joined, they give the text without trailing whitespace.
    """
    start = blank_end = 0  # text[start:blank_end] is blank
    for match in _BOUNDARY.finditer(text):
        end = match.end()
        # Only the end of a piece is searched, since pieces grow long where no sentence ends.
        if _NOT_BLANK.search(text, blank_end, end) is None:
            blank_end = end
        elif not _is_abbreviation(text, max(start, end - _LONGEST_NO_END), end):
            yield text[start:end]
            start = blank_end = end
    if text[start:].strip():
        yield text[start:]


def _is_abbreviation(text: str, begin: int, end: int) -> bool:
    """Whether the word before a mark is an abbreviation, so that the sentence continues."""
    if _NO_END.search(text, begin, end) is not None:
        return True
    return _CONTINUES.match(text, end) is not None and _ABBREVIATION.search(text, begin, end) is not None


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
    """Yield the token ids of each sentence and whether it starts a paragraph, tokenizing many in one call."""
    pieces: list[str] = []
    for piece in split_into_sentences(text):
        pieces.append(piece)
        if len(pieces) == PIECES_AT_ONCE:
            yield from _tokenize(pieces, tokenizer)
            pieces = []
    if pieces:
        yield from _tokenize(pieces, tokenizer)


def _tokenize(pieces: list[str], tokenizer: PreTrainedTokenizerBase) -> Iterator[tuple[list[int], bool]]:
    encoded = encode_plain_batch(tokenizer, pieces)
    for piece, ids in zip(pieces, encoded, strict=True):
        blank = piece[: len(piece) - len(piece.lstrip())]
        yield ids, blank.count("\n") > 1
