"""Divide what is kept of a document into parts of a few sentences each.

An adapter that is the same for all questions mixes everything that its documents say. One of a few sentences has little
to mix. The tokens of a part were encoded with their whole chunk, so that a pronoun still stands for its noun.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from lorify.adapters import Adapter, DocumentRecord
from lorify.base.precision import widest_float
from lorify.base.token_texts import Decode, token_texts
from lorify.contexts.chunking import split_into_sentences
from lorify.hypernets.associative.memory import Statistics, TokenMemory
from lorify.hypernets.associative.token_cache import CachedTokens

PART_TOKENS = 50
"""A part ends before a sentence that would make it longer than this, not counting the sentence that it repeats."""
MIN_PART_TOKENS = 16
"""A part has at least so many tokens before it ends: headings stay with what follows them."""

PART_RANK = 32
"""Rank to which the update of a part is reduced. Of 54 questions, 128 (not reduced) answers 35, 32 34, 16 31."""


@dataclass(frozen=True)
class DocumentPart:
    """An adapter of a few sentences of a document.

    Attributes:
        document: name of the document.
        text: the sentences.
        adapter: their adapter. It has no statistics, so it cannot be changed or focused.
    """

    document: str
    text: str
    adapter: Adapter


@dataclass(frozen=True)
class TokenSums:
    """A few sentences of a document, and the sums over their tokens.

    Attributes:
        text: the sentences.
        statistics: the sums, with N = 1.
    """

    text: str
    statistics: Statistics


@dataclass(frozen=True)
class _Sentence:
    """A sentence, heading or line: its first token, the one after its last, and whether a blank line is before it."""

    begin: int
    end: int
    opens_paragraph: bool

    @property
    def size(self) -> int:
        return self.end - self.begin


@dataclass(frozen=True)
class DividedTokens:
    """The tokens of a document in parts; iterating over it reads their keys and values, chunk by chunk.

    Attributes:
        ids: the tokens of the text.
        ranges: first token of each part, and the token after its last.
        chunk_sizes: number of tokens of the text in each chunk.
        skipped: number of tokens at the beginning of each chunk that are not in the memory.
        decode: token ids -> text.
        read: indices of tokens of the memory `[t]` -> their keys and values.
    """

    ids: Sequence[int]
    ranges: Sequence[tuple[int, int]]
    chunk_sizes: Sequence[int]
    skipped: int
    decode: Decode
    read: Callable[[Tensor], TokenMemory]

    @classmethod
    def of(
        cls, tokens: CachedTokens, *, has_start: bool, decode: Decode, read: Callable[[Tensor], TokenMemory]
    ) -> DividedTokens:
        """Divide tokens, see `find_parts`.

        Args:
            tokens: what is kept of the document's tokens.
            has_start: whether chunks begin with a token that is not of the text.
            decode: token ids -> text.
            read: indices of tokens of the memory `[t]` -> their keys and values.
        """
        ids = tokens.text_ids(has_start)
        # The memory has no entry for the first token of a chunk, from which the second one is predicted.
        skipped = 0 if has_start else 1
        sizes = [size - 1 + skipped for size in tokens.chunk_sizes.tolist()]
        first = set(accumulate(sizes, initial=0)) if skipped else set[int]()
        parts = find_parts(list(token_texts(ids, decode)))
        ranges = [(begin, end) for begin, end in parts if any(i not in first for i in range(begin, end))]
        return cls(ids, ranges, sizes, skipped, decode, read)

    def __len__(self) -> int:
        """Number of parts."""
        return len(self.ranges)

    def __iter__(self) -> Iterator[TokenSums]:
        """Iterate over the parts."""
        known: tuple[int, TokenMemory] | None = None  # the chunk that was read last
        for begin, end in self.ranges:
            memories: list[TokenMemory] = []
            start = start_in_memory = 0
            for number, size in enumerate(self.chunk_sizes):
                in_memory = size - self.skipped
                first, last = max(begin - start - self.skipped, 0), min(end - start, size) - self.skipped
                if first < last:
                    if known is None or known[0] != number:
                        known = number, self.read(torch.arange(start_in_memory, start_in_memory + in_memory))
                    chosen = torch.arange(first, last, device=known[1].keys.device)
                    memories.append(known[1].of_chunk(0, chosen))
                start, start_in_memory = start + size, start_in_memory + in_memory
            memory = TokenMemory.concatenated(memories, dim=2)
            sums = memory.statistics(widest_float(memory.keys.device))
            yield TokenSums(self.decode(self.ids[begin:end]).strip(), sums)


@dataclass(frozen=True)
class DividedAdapter:
    """An adapter in parts; iterating over it solves for them one by one.

    Attributes:
        documents: its documents.
        solve: adapter of a part of a document.
    """

    documents: Sequence[tuple[DocumentRecord, DividedTokens]]
    solve: Callable[[DocumentRecord, TokenSums], Adapter]

    def __len__(self) -> int:
        """Number of parts."""
        return sum(len(tokens) for _, tokens in self.documents)

    def __iter__(self) -> Iterator[DocumentPart]:
        """Iterate over the parts."""
        for record, tokens in self.documents:
            for part in tokens:
                yield DocumentPart(record.name, part.text, self.solve(record, part))


def find_parts(pieces: Sequence[str]) -> list[tuple[int, int]]:
    """Find the parts of a text that is given token by token.

    A part is as many whole sentences as `PART_TOKENS` allows, and ends before a paragraph if it is not very short. A
    part that begins within a paragraph repeats the sentence before it.

    Args:
        pieces: text of each token.

    Returns:
        First token of each part, and the token after its last. Every token is in a part.
    """
    parts: list[tuple[int, int]] = []
    current: list[_Sentence] = []
    repeated: _Sentence | None = None
    for sentence in _find_sentences(pieces):
        size = sum(each.size for each in current)
        is_full = size + sentence.size > PART_TOKENS
        if size >= MIN_PART_TOKENS and (is_full or sentence.opens_paragraph):
            parts.append(((repeated or current[0]).begin, current[-1].end))
            may_repeat = not sentence.opens_paragraph and current[-1].size <= PART_TOKENS
            current, repeated = [], current[-1] if may_repeat else None
        current.append(sentence)
    if current:
        parts.append(((repeated or current[0]).begin, current[-1].end))
    return parts


def _find_sentences(pieces: Sequence[str]) -> Iterator[_Sentence]:
    """Yield the sentences of a text; a token belongs to the sentence in which it begins."""
    sentences = list(split_into_sentences("".join(pieces)))
    starts = list(accumulate(map(len, pieces), initial=0))[:-1]
    begin = position = 0
    for number, sentence in enumerate(sentences, start=1):
        position += len(sentence)
        end = len(pieces) if number == len(sentences) else bisect_left(starts, position)
        blank = sentence[: len(sentence) - len(sentence.lstrip())]
        if end > begin:
            yield _Sentence(begin, end, opens_paragraph=blank.count("\n") > 1)
        begin = max(begin, end)
