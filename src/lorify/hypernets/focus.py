"""Focus: an adapter for one question, from the tokens of a memory that answer it.

An adapter that is the same for all questions says a little of everything that its document says; where a document says
the same of three entities, an answer is a guess among three. Whoever asks knows the question: where the memory's tokens
are at hand, the reader (see `lorify.hypernets.reader`) tells which of them answer it, and the adapter is written anew
from these, in a few milliseconds:

    w_t(question) = w_t exp(sharpness (p_t / max p - 1)),  p = sigmoid(belongs)

What the tokens say that count least is left out; in `S` they keep the least weight, so that keys of chosen tokens are
still told apart from theirs. Where the reader finds no place, all its `p` are about as small and none is chosen before
the others.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from lorify.hypernets.associative import TokenMemory
from lorify.hypernets.reader import NUM_MATCHES, Reader
from lorify.hypernets.relevance import find_words, hash_stem, stem_words

SHARPNESS = 3.0
FOCUS_TOKENS = 48
"""Tokens that a focused adapter says."""
LEAST = math.exp(-SHARPNESS)
LEAST_RARITY = 2.3
"""Words as common as this (in one of ten texts) say nothing about the place."""
AFTER, BEFORE = (40.0, 8.0), (8.0, 30.0)
"""Tokens after and before a word of the question in which its nearness falls off by a factor e, near and far."""


@dataclass(frozen=True)
class KeptTokens:
    """The memory of a document token by token, in about 17 KB a token for the default base.

    Attributes:
        keys: `[L, tokens, r]`, float16.
        values: `[L, tokens, d]`, int8: in units of `value_units`.
        value_units: `[L, tokens]`, float32.
        weights: `[L, tokens]`, float32.
        words: `[tokens]`, from `ending_words`.
        document: what the reader keeps of each `[tokens, w]`, float16.
    """

    keys: Tensor
    values: Tensor
    value_units: Tensor
    weights: Tensor
    words: Tensor
    document: Tensor

    @classmethod
    def of(cls, memory: TokenMemory, documents: Tensor, row: int, known: Tensor, words: Tensor) -> KeptTokens:
        """Of one chunk: row `row` of a memory and of what the reader keeps, at the tokens `known [T]`."""
        values = memory.values[:, row, known]
        units = values.abs().amax(-1).clamp_min(1e-8) / 127
        rounded = (values / units.unsqueeze(-1)).round().to(torch.int8)
        keys, weights = memory.keys[:, row, known].half(), memory.weights[:, row, known]
        return cls(keys, rounded, units, weights, words, documents[row, known].half())

    @classmethod
    def joined(cls, parts: Sequence[KeptTokens]) -> KeptTokens:
        """Of several chunks, one after the other."""
        return cls(
            torch.cat([part.keys for part in parts], dim=1),
            torch.cat([part.values for part in parts], dim=1),
            torch.cat([part.value_units for part in parts], dim=1),
            torch.cat([part.weights for part in parts], dim=1),
            torch.cat([part.words for part in parts]),
            torch.cat([part.document for part in parts]),
        )

    def chosen(self, index: Tensor) -> TokenMemory:
        """Some tokens `[L, 1, t, ...]` by their index `[t]`."""
        values = self.values[:, index] * self.value_units[:, index].unsqueeze(-1)
        keys, weights = self.keys[:, index].float(), self.weights[:, index]
        return TokenMemory(keys.unsqueeze(1), values.unsqueeze(1), weights.unsqueeze(1))

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


def focus_factors(
    reader: Reader, question: Tensor, rarities: Mapping[int, float], documents: Sequence[tuple[Tensor, Tensor]]
) -> list[Tensor]:
    """How much less each token of a memory counts for a question.

    Args:
        reader: says where the answer is.
        question: what the reader is asked `[J, w]`.
        rarities: of the question's words, from `Relevance.rarities`.
        documents: of each document what the reader keeps `[tokens, w]`, and its words, from `ending_words`, `[tokens]`.

    Returns:
        Factor of each token, from `LEAST` to 1, `[tokens]` for each document.
    """
    asked = torch.ones(1, len(question), dtype=torch.bool, device=question.device)
    found = []
    for document, words in documents:
        known = torch.ones(1, len(document), dtype=torch.bool, device=question.device)
        matches = word_matches(rarities, words).to(question.device)
        places = reader(document.float().unsqueeze(0), known, question.unsqueeze(0), asked, matches.unsqueeze(0))
        found.append(places.belongs[0].float().sigmoid())
    best = max(share.max() for share in found)
    return [torch.exp(SHARPNESS * (share / best - 1)) for share in found]


def word_matches(rarities: Mapping[int, float], words: Tensor) -> Tensor:
    """Where the words of a question stand in a document.

    Args:
        rarities: hash of each word of the question -> its weight, the log of how rare it is.
        words: the word that ends in each token, from `ending_words`, `[tokens]`.

    Returns:
        `[tokens, NUM_MATCHES]`, sums over the rare words, weighted by their squared rarities as shares of the
        question's: whether one ends here, how near the last and the next one are, each seen from near and from far,
        and whether the document has it at all.
    """
    chosen = {word: rarity**2 for word, rarity in rarities.items() if rarity >= LEAST_RARITY}
    total = sum(chosen.values())
    found = torch.zeros(len(words), NUM_MATCHES)
    for word in chosen.keys() & set(words.unique().tolist()):
        is_mention = words == word
        kinds = [is_mention.float(), *_nearness(is_mention), torch.ones(len(words))]
        found += chosen[word] / total * torch.stack(kinds, dim=1)
    return found


def _nearness(is_mention: Tensor) -> list[Tensor]:
    """How near the last and the next mention are, `[tokens]` for each of `AFTER` and `BEFORE`; one there is."""
    (places,) = is_mention.nonzero(as_tuple=True)
    token = torch.arange(len(is_mention))
    index = torch.searchsorted(places, token, right=True)  # mentions up to this token
    never = torch.full_like(token, 10**6)
    since = torch.where(index > 0, token - places[(index - 1).clamp_min(0)], never)
    until = torch.where(index < len(places), places[index.clamp_max(len(places) - 1)] - token, never)
    return [*(torch.exp(-since / reach) for reach in AFTER), *(torch.exp(-until / reach) for reach in BEFORE)]
