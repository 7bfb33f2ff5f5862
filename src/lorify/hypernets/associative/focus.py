"""Focus: an adapter for one question, from the tokens of a memory that answer it.

An adapter that is the same for all questions says a little of everything that its document says; where a document says
the same of three entities, an answer is a guess among three. Whoever asks knows the question: where the memory's tokens
are at hand, the reader (see `lorify.hypernets.associative.reader`) tells which of them answer it, and the adapter is
written anew from these, in a few milliseconds:

    w_t(question) = w_t exp(sharpness (p_t / max p - 1)),  p = sigmoid(belongs)

What the tokens say that count least is left out; in `S` they keep a little weight, so that keys of chosen tokens are
still told apart from theirs: as much as a few tokens all together, however many they are. Where the reader finds no
place, all its `p` are about as small and none is chosen before the others.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase

from lorify.contexts.features import of_like_length
from lorify.hypernets.associative.reader import NUM_MATCHES, Reader
from lorify.hypernets.associative.relevance import find_words, hash_stem, stem_words

SHARPNESS = 3.0
FOCUS_TOKENS = 48
"""Tokens that a focused adapter says."""
WINDOW_TOKENS, READ_WINDOWS = 256, 32
"""The reader looks at so many windows of so many tokens at most, which bounds its time whatever was internalized."""
TOKENS_AT_ONCE = 4096
"""Documents that are read together have at most so many tokens."""
LEAST = math.exp(-SHARPNESS)
REST_TOKENS = 2.0
"""As many tokens as all count in `S` that a focused adapter leaves out."""
LEAST_RARITY = 2.3
"""Words as common as this (in one of ten texts) say nothing about the place."""
AFTER, BEFORE = (40.0, 8.0), (8.0, 30.0)
"""Tokens after and before a word of the question in which its nearness falls off by a factor e, near and far."""


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


@dataclass(frozen=True)
class Asked:
    """A question about documents.

    Attributes:
        question: what the reader is asked `[J, w]`.
        rarities: of the question's words, from `Relevance.rarities`.
        documents: of each document what the reader keeps `[tokens, w]`, and its words, from `ending_words`, `[tokens]`.
    """

    question: Tensor
    rarities: Mapping[int, float]
    documents: Sequence[tuple[Tensor, Tensor]]


def focus_factors(reader: Reader, asked: Sequence[Asked]) -> list[list[Tensor]]:
    """How much less each token of a memory counts for a question.

    Args:
        reader: says where the answer is.
        asked: the questions.

    Returns:
        For each question the factor of each token, from `LEAST` to 1, `[tokens]` for each of its documents.
    """
    shares = answer_shares(reader, asked)
    best = [max(share.max() for share in one) for one in shares]
    return [
        [torch.exp(SHARPNESS * (share / most - 1)) for share in one] for one, most in zip(shares, best, strict=True)
    ]


def answer_shares(reader: Reader, asked: Sequence[Asked]) -> list[list[Tensor]]:
    """How probably each token belongs to a question's answer: `[tokens]` for each of its documents, from 0 to 1.

    Args:
        reader: says where the answer is; it reads documents of like length together, whoever asks.
        asked: the questions.
    """
    shares = [[torch.zeros(len(d), device=one.question.device) for d, _ in one.documents] for one in asked]
    readings: list[_Reading] = []
    for i, one in enumerate(asked):
        matches = [word_matches(one.rarities, words) for _, words in one.documents]
        for d, chosen in enumerate(_worth_reading(matches)):
            if len(chosen):
                readings.append(_Reading(i, d, chosen, matches[d][chosen]))
    for indices in of_like_length([len(reading.chosen) for reading in readings], TOKENS_AT_ONCE):
        group = [readings[i] for i in indices]
        texts = pad_sequence([asked[r.asked].documents[r.document][0][r.chosen].float() for r in group], True)
        questions = pad_sequence([asked[r.asked].question for r in group], True)
        found = reader(
            texts,
            _known([len(r.chosen) for r in group]).to(texts.device),
            questions,
            _known([len(asked[r.asked].question) for r in group]).to(texts.device),
            pad_sequence([r.matches for r in group], True).to(texts.device),
        )
        for r, belongs in zip(group, found.belongs.float().sigmoid(), strict=True):
            shares[r.asked][r.document][r.chosen] = belongs[: len(r.chosen)]
    return shares


@dataclass(frozen=True)
class _Reading:
    """The tokens `chosen [t]` of a question's document, which the reader looks at, and the question's words there."""

    asked: int
    document: int
    chosen: Tensor
    matches: Tensor


def _known(lengths: Sequence[int]) -> Tensor:
    """Which tokens of padded rows there are `[N, longest]`."""
    return torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)


def rest_weight(num_tokens: Tensor) -> Tensor:
    """How much each token counts in `S` that is left out, of so many tokens `[N]`; at most `LEAST`."""
    return (REST_TOKENS / num_tokens.clamp_min(1)).clamp_max(LEAST)


def _worth_reading(matches: Sequence[Tensor]) -> list[Tensor]:
    """The tokens of each document that the reader looks at: of many, the windows that the question's words point to."""
    windows = [
        (index, span)
        for index, document in enumerate(matches)
        for span in torch.arange(len(document)).split(WINDOW_TOKENS)
        if len(span)
    ]
    if len(windows) > READ_WINDOWS:
        # The largest nearness to all words at once, so that a word that comes often does not outweigh the others.
        scores = torch.stack([matches[index][span].amax(0).sum() for index, span in windows])
        windows = [windows[i] for i in scores.topk(READ_WINDOWS).indices.sort().values.tolist()]
    nothing = torch.zeros(0, dtype=torch.int64)
    return [torch.cat([nothing, *(span for i, span in windows if i == index)]) for index in range(len(matches))]


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
