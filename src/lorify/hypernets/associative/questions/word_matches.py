"""The tokens at which words of a document end, and the positions of a question's words in it."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from lorify.contexts.texts.words import find_words, hash_stem, stem_words
from lorify.hypernets.associative.reader import NUM_MATCH_FEATURES

MIN_RARITY = 2.3
"""More common words (in more than one text in ten) do not help to locate an answer."""
DECAY_TOKENS_AFTER, DECAY_TOKENS_BEFORE = (40.0, 8.0), (8.0, 30.0)
"""Decay lengths in tokens of the proximity to an occurrence, after it and before it (a factor of e each)."""


def words_ending_at(tokens: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """Find the word that ends in each token of a running text.

    Returns:
        Hash of the word's stem, 0 where no word ends `[tokens]`, int64.
    """
    pieces = [_decode(tokenizer, token) for token in tokens]
    starts = list(accumulate(map(len, pieces), initial=0))
    hashes = torch.zeros(len(tokens), dtype=torch.int64)
    words = list(find_words("".join(pieces)))
    for (_, end), stem in zip((span for _, span in words), stem_words([word for word, _ in words]), strict=True):
        hashes[bisect.bisect_right(starts, end - 1) - 1] = hash_stem(stem)
    return hashes


@lru_cache(maxsize=200_000)
def _decode(tokenizer: PreTrainedTokenizerBase, token: int) -> str:
    text = tokenizer.decode([token], skip_special_tokens=True)
    assert isinstance(text, str)
    return text


def match_features(rarities: Mapping[int, float], words: Tensor) -> Tensor:
    """Compute where the rare words of a question occur in a document.

    Args:
        rarities: hash of each word of the question -> its weight, the logarithm of how rare it is.
        words: the word that ends in each token, from `words_ending_at` `[tokens]`.

    Returns:
        `[tokens, NUM_MATCH_FEATURES]`: sums over the rare words of the question, weighted by their share of the squared
        rarities, of whether the word ends here, how near its last and its next occurrence are (each on a long and a
        short scale), and whether it occurs in the document at all.
    """
    squared = {word: rarity**2 for word, rarity in rarities.items() if rarity >= MIN_RARITY}
    total = sum(squared.values())
    features = torch.zeros(len(words), NUM_MATCH_FEATURES)
    for word in squared.keys() & set(words.unique().tolist()):
        occurs = words == word
        kinds = [occurs.float(), *_nearness(occurs), torch.ones(len(words))]
        features += squared[word] / total * torch.stack(kinds, dim=1)
    return features


def _nearness(occurs: Tensor) -> list[Tensor]:
    """Compute the proximity of the last and the next occurrence (at least one exists), `[tokens]` for each decay."""
    (positions,) = occurs.nonzero(as_tuple=True)
    token = torch.arange(len(occurs))
    index = torch.searchsorted(positions, token, right=True)  # occurrences up to this token
    never = torch.full_like(token, 10**6)
    since = torch.where(index > 0, token - positions[(index - 1).clamp_min(0)], never)
    until = torch.where(index < len(positions), positions[index.clamp_max(len(positions) - 1)] - token, never)
    return [
        *(torch.exp(-since / decay) for decay in DECAY_TOKENS_AFTER),
        *(torch.exp(-until / decay) for decay in DECAY_TOKENS_BEFORE),
    ]
