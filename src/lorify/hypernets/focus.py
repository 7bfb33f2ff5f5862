"""Focus: which part of a memory a question is about, told by the words that they share.

An adapter is the same for all questions, and what it reads where an answer begins tells relations apart (`is the mayor
of`) but hardly names that the base has never seen: where a document says the same of three entities, an answer is a
guess among three. What a question names is in its words, though. So where the memory's tokens are at hand, each
question gets an adapter of its own, from a memory in which a token counts by how near it stands to the question's rare
words:

    match_t = sum over words x of the question: rarity(x)^2 max over places s of x: K(t - s) / sum of rarity(x)^2
    w_t(question) = w_t exp(sharpness (match_t - max match))

`K` falls off by a factor e in `AFTER` tokens after a word and in `BEFORE` before it; words are compared by their stems,
as in `lorify.hypernets.relevance`. Words of the question that are not in the memory count in the second sum: the less
of a question is found, the less is known of its place. The weighted statistics are solved as always.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from lorify.hypernets.associative import Statistics, TokenMemory
from lorify.hypernets.relevance import Relevance, find_words, hash_stem, stem_words

AFTER, BEFORE = 40.0, 8.0
SHARPNESS = 3.0
LEAST_RARITY = 2.3
"""Words as common as this (in one of ten texts) say nothing about the place."""


@dataclass(frozen=True)
class KeptTokens:
    """The memory of a document token by token, in about 17 KB a token for the default base.

    Attributes:
        keys: `[L, tokens, r]`, float16.
        values: `[L, tokens, d]`, int8: in units of `value_units`.
        value_units: `[L, tokens]`, float32.
        weights: `[L, tokens]`, float32.
        words: `[tokens]`, from `ending_words`.
    """

    keys: Tensor
    values: Tensor
    value_units: Tensor
    weights: Tensor
    words: Tensor

    @classmethod
    def of(cls, memory: TokenMemory, row: int, known: Tensor, words: Tensor) -> KeptTokens:
        """Of one chunk: row `row` of a memory, at the tokens `known [T]`."""
        values = memory.values[:, row, known]
        units = values.abs().amax(-1).clamp_min(1e-8) / 127
        rounded = (values / units.unsqueeze(-1)).round().to(torch.int8)
        return cls(memory.keys[:, row, known].half(), rounded, units, memory.weights[:, row, known], words)

    @classmethod
    def joined(cls, parts: Sequence[KeptTokens]) -> KeptTokens:
        """Of several chunks, one after the other."""
        return cls(
            torch.cat([part.keys for part in parts], dim=1),
            torch.cat([part.values for part in parts], dim=1),
            torch.cat([part.value_units for part in parts], dim=1),
            torch.cat([part.weights for part in parts], dim=1),
            torch.cat([part.words for part in parts]),
        )

    def statistics(self, factors: Tensor) -> Statistics:
        """Statistics `[L, 1, ...]` with each token's weight times a factor `[tokens]`."""
        memory = TokenMemory(
            self.keys.float().unsqueeze(1),
            (self.values * self.value_units.unsqueeze(-1)).unsqueeze(1),
            (self.weights * factors.to(self.weights.device)).unsqueeze(1),
        )
        return memory.statistics()

    def scaled(self, scale: float) -> KeptTokens:
        """With all weights times `scale`."""
        return replace(self, weights=self.weights * scale)

    def flat(self) -> dict[str, Tensor]:
        """Named tensors, to be stored."""
        return {f"token_{name}": getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_flat(cls, tensors: Mapping[str, Tensor], device: torch.device) -> KeptTokens | None:
        """From named tensors; None if they hold no tokens."""
        if "token_keys" not in tensors:
            return None
        found = {name: tensors[f"token_{name}"] for name in cls.__dataclass_fields__}
        return cls(**{name: tensor if name == "words" else tensor.to(device) for name, tensor in found.items()})


def without_tokens(statistics: Sequence[Mapping[str, Tensor]]) -> tuple[dict[str, Tensor], ...]:
    """An adapter's statistics without the tokens of its documents: it is then the same for all questions."""
    return tuple({n: x for n, x in document.items() if not n.startswith("token_")} for document in statistics)


def ending_words(tokens: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """The word that ends in each token of a running text: hash of its stem `[tokens]` (int64), 0 where none ends."""
    pieces = [_piece(tokenizer, token) for token in tokens]
    starts = list(accumulate(map(len, pieces), initial=0))
    found = torch.zeros(len(tokens), dtype=torch.int64)
    words = list(find_words("".join(pieces)))
    for (_, end), stem in zip((span for _, span in words), stem_words([word for word, _ in words]), strict=True):
        found[bisect.bisect_right(starts, end - 1) - 1] = hash_stem(stem)
    return found


@lru_cache(maxsize=200_000)
def _piece(tokenizer: PreTrainedTokenizerBase, token: int) -> str:
    text = tokenizer.decode([token], skip_special_tokens=True)
    assert isinstance(text, str)
    return text


def log_focus(question: str, documents: Sequence[Tensor], relevance: Relevance) -> list[Tensor]:
    """How much less each token of a memory counts for a question.

    Args:
        question: the question.
        documents: the words of each document's tokens, from `ending_words`, `[tokens]` each.
        relevance: says how rare words are.

    Returns:
        Logarithm of the factor of each token, at most 0, `[tokens]` for each document; zeros if no word is shared.
    """
    rarities = relevance.rarities(question)
    chosen = {word: rarity for word, rarity in rarities.items() if rarity >= LEAST_RARITY}
    together = torch.cat(list(documents)) if documents else torch.zeros(0, dtype=torch.int64)
    known = set(together.unique().tolist())
    total = sum(rarity**2 for rarity in chosen.values())
    matches = [torch.zeros(len(words)) for words in documents]
    for word, rarity in chosen.items():
        if word in known:
            for match, words in zip(matches, documents, strict=True):
                match += rarity**2 / total * _nearness(words == word)
    best = max((match.max().item() for match in matches if len(match)), default=0.0)
    return [SHARPNESS * (match - best) for match in matches]


def _nearness(is_mention: Tensor) -> Tensor:
    """`K` of the nearest mention, before or after `[tokens]`; 0 without one."""
    (places,) = is_mention.nonzero(as_tuple=True)
    if not len(places):
        return torch.zeros(len(is_mention))
    token = torch.arange(len(is_mention))
    index = torch.searchsorted(places, token, right=True)  # mentions up to this token
    since = torch.where(index > 0, token - places[(index - 1).clamp_min(0)], 10**6)
    until = torch.where(index < len(places), places[index.clamp_max(len(places) - 1)] - token, 10**6)
    return torch.maximum(torch.exp(-since / AFTER), torch.exp(-until / BEFORE))
