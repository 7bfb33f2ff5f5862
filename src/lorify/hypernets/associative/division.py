"""Divide the kept tokens of a document into parts of one clause each.

An adapter that is the same for all questions mixes everything that its documents say. An adapter of a single clause has
little to mix. The tokens of a part were encoded with their whole chunk, so that a pronoun still stands for its noun.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from lorify.base.token_texts import Decode, token_texts
from lorify.contexts.texts.chunking import split_into_sentences
from lorify.hypernets.associative.memory import TokenMemory
from lorify.hypernets.associative.token_cache import CachedTokens

PASSAGE_TOKENS = 50
"""Once a passage has `MIN_PASSAGE_TOKENS`, it ends before a sentence that would make it longer than this."""
MIN_PASSAGE_TOKENS = 16
"""Minimum length of every passage but the last, so that headings stay with the text after them."""
MAX_SENTENCE_TOKENS = 256
"""A longer sentence, such as text without punctuation, is split between tokens."""
MIN_CLAUSE_WORDS = 2
"""A clause with fewer words is joined with the next one."""
MAX_CLAUSE_TOKENS = 48
"""A longer clause is split between tokens; this is how many contribute to a focused adapter."""

# Within a sentence, a clause ends after punctuation and closing quotes, before "and", and between table cells. A comma
# between numbers belongs to a date.
_CLAUSE_END = re.compile(r"""(?:[;:]|(?<!\d),|,(?!\s+\d))["'”’)\]]*(?=\s)|\||(?=\s+and\b)""")


@dataclass(frozen=True)
class PassageTokens:
    """A few sentences of a document, and the clauses in them.

    Attributes:
        memory: keys and values of the tokens of the passage, with N = 1.
        clauses: text of each clause, and its tokens in `memory`, at least one.
    """

    memory: TokenMemory
    clauses: Sequence[tuple[str, Sequence[int]]]


@dataclass(frozen=True)
class _Sentence:
    """A sentence, heading or line: its first token, the token after its last, and whether a blank line precedes it."""

    begin: int
    end: int
    opens_paragraph: bool

    @property
    def size(self) -> int:
        return self.end - self.begin


@dataclass(frozen=True)
class DividedTokens:
    """The tokens of a document in parts; iterating reads their keys and values chunk by chunk.

    Attributes:
        pieces: text of each token.
        passages: the clauses of each passage: first token, and the token after the last.
        chunk_sizes: number of tokens of the text in each chunk.
        skipped: number of tokens at the beginning of each chunk that are not in the memory.
        read: indices of tokens of the memory `[t]` -> their keys and values.
    """

    pieces: Sequence[str]
    passages: Sequence[Sequence[tuple[int, int]]]
    chunk_sizes: Sequence[int]
    skipped: int
    read: Callable[[Tensor], TokenMemory]

    @classmethod
    def of(
        cls, tokens: CachedTokens, *, has_start: bool, decode: Decode, read: Callable[[Tensor], TokenMemory]
    ) -> DividedTokens:
        """Divide tokens; see `find_passages` and `find_clauses`.

        Args:
            tokens: the kept tokens of the document.
            has_start: whether chunks begin with a token that is not part of the text.
            decode: token ids -> text.
            read: indices of tokens of the memory `[t]` -> their keys and values.
        """
        pieces = list(token_texts(tokens.text_ids(has_start), decode))
        # The memory has no entry for the first token of a chunk, from which the second one is predicted.
        skipped = 0 if has_start else 1
        sizes = [size - 1 + skipped for size in tokens.chunk_sizes.tolist()]
        missing = set(accumulate(sizes, initial=0)) if skipped else set[int]()
        passages = [
            _with_tokens(find_clauses(pieces, begin, end), missing)
            for begin, end in find_passages(pieces)
            if any(i not in missing for i in range(begin, end))
        ]
        return cls(pieces, passages, sizes, skipped, read)

    def __len__(self) -> int:
        """Number of parts."""
        return sum(map(len, self.passages))

    def __iter__(self) -> Iterator[PassageTokens]:
        """Iterate over the passages."""
        known: tuple[int, TokenMemory] | None = None  # the chunk that was read last
        for clauses in self.passages:
            begin, end = clauses[0][0], clauses[-1][1]
            memories: list[TokenMemory] = []
            positions: dict[int, int] = {}  # token of the text -> token of the passage's memory
            start = start_in_memory = 0
            for number, size in enumerate(self.chunk_sizes):
                in_memory = size - self.skipped
                first, last = max(begin - start - self.skipped, 0), min(end - start, size) - self.skipped
                if first < last:
                    if known is None or known[0] != number:
                        known = number, self.read(torch.arange(start_in_memory, start_in_memory + in_memory))
                    chosen = torch.arange(first, last, device=known[1].keys.device)
                    memories.append(known[1].of_chunk(0, chosen))
                    for token in range(start + self.skipped + first, start + self.skipped + last):
                        positions[token] = len(positions)
                start, start_in_memory = start + size, start_in_memory + in_memory
            own = [[positions[i] for i in range(*clause) if i in positions] for clause in clauses]
            texts = ["".join(self.pieces[slice(*clause)]) for clause in clauses]
            yield PassageTokens(TokenMemory.concatenated(memories, dim=2), list(zip(texts, own, strict=True)))


def find_passages(pieces: Sequence[str]) -> list[tuple[int, int]]:
    """Find the passages of a text that is given token by token.

    A passage is as many whole sentences as `PASSAGE_TOKENS` allows. Once it has `MIN_PASSAGE_TOKENS`, it also ends
    before a new paragraph.

    Args:
        pieces: text of each token.

    Returns:
        First token of each passage, and the token after its last. Every token is in one passage.
    """
    passages: list[tuple[int, int]] = []
    begin = end = 0
    for sentence in _find_sentences(pieces):
        is_full = end - begin + sentence.size > PASSAGE_TOKENS
        if end - begin >= MIN_PASSAGE_TOKENS and (is_full or sentence.opens_paragraph):
            passages.append((begin, end))
            begin = end
        end = sentence.end
    return [*passages, (begin, end)] if end > begin else passages


def find_clauses(pieces: Sequence[str], begin: int, end: int) -> list[tuple[int, int]]:
    """Find the clauses of a passage, of at least `MIN_CLAUSE_WORDS` words if the passage has them.

    Args:
        pieces: text of each token.
        begin: first token of the passage.
        end: the token after its last.

    Returns:
        First token of each clause, and the token after its last. Every token of the passage is in one clause.
    """
    clauses: list[tuple[int, int]] = []
    first, words = begin, 0
    sentences = split_into_sentences("".join(pieces[begin:end]))
    for text, _, last in _token_ranges(pieces[begin:end], [clause for each in sentences for clause in _clauses(each)]):
        words += len(text.split())
        if words >= MIN_CLAUSE_WORDS:
            clauses.append((first, begin + last))
            first, words = begin + last, 0
    if first < end:  # too short
        begin = clauses.pop()[0] if clauses else first
        clauses.append((begin, end))
    return [part for clause in clauses for part in _shortened(*clause, MAX_CLAUSE_TOKENS)]


def _with_tokens(clauses: Sequence[tuple[int, int]], missing: set[int]) -> list[tuple[int, int]]:
    """Join clauses that have no token in the memory with the next or the previous one."""
    joined: list[tuple[int, int]] = []
    for begin, end in clauses:
        is_empty = all(i in missing for i in range(begin, end))
        if joined and (is_empty or all(i in missing for i in range(*joined[-1]))):
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return joined


def _shortened(begin: int, end: int, size: int) -> list[tuple[int, int]]:
    """Split a range of tokens into ranges of at most `size` tokens."""
    return [(start, min(start + size, end)) for start in range(begin, end, size)]


def _clauses(sentence: str) -> list[str]:
    """Split a sentence where clauses end."""
    bounds = sorted({0, *(found.end() for found in _CLAUSE_END.finditer(sentence)), len(sentence)})
    return [sentence[begin:end] for begin, end in pairwise(bounds)]


def _find_sentences(pieces: Sequence[str]) -> Iterator[_Sentence]:
    """Yield the sentences of a text."""
    for text, begin, end in _token_ranges(pieces, list(split_into_sentences("".join(pieces)))):
        blank = text[: len(text) - len(text.lstrip())]
        for first, last in _shortened(begin, end, MAX_SENTENCE_TOKENS):
            yield _Sentence(first, last, opens_paragraph=first == begin and blank.count("\n") > 1)


def _token_ranges(pieces: Sequence[str], texts: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Yield consecutive texts with their first token and the token after their last.

    A token belongs to the text in which it begins; texts without a token are skipped.
    """
    starts = list(accumulate(map(len, pieces), initial=0))[:-1]
    begin = position = 0
    for number, text in enumerate(texts, start=1):
        position += len(text)
        end = len(pieces) if number == len(texts) else bisect_left(starts, position)
        if end > begin:
            yield text, begin, end
        begin = max(begin, end)
