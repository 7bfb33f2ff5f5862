"""Focus: an adapter for one question, from the tokens of a memory that answer it.

An adapter that is the same for all questions mixes everything that its documents say. If a document says the same about
three entities, an answer is a guess among three. If the tokens of the memory are kept, the reader finds those that
answer the question (see `answer_finder`), and the adapter is rebuilt from them in a few milliseconds:

    w_t(question) = w_t exp(sharpness (p_t / max p - 1)),  p = sigmoid(belongs)

Only the tokens with the largest factors contribute to `M`. All others keep a small weight in `S`, so that the keys of
chosen tokens remain distinguishable: together the others weigh as much as a few tokens, however many there are. If the
reader finds no answer, all `p` are about equally small and no token is preferred.

Training and inference both use the `FocusSolver` of this module.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from threading import Lock

import torch
from torch import Tensor

from lorify.hypernets.associative.memory import TokenMemory, solve_chosen_tokens
from lorify.hypernets.associative.network import AssociativeHypernetwork
from lorify.hypernets.evidence import superseded_documents

SHARPNESS = 3.0
FOCUS_TOKENS = 48
"""Tokens that contribute to `M` of a focused adapter."""
MIN_FACTOR = math.exp(-SHARPNESS)
OTHER_TOKENS = 2.0
"""The total weight in `S` of all tokens that are not chosen, in chosen tokens."""


def focus_factors(probabilities: Sequence[Tensor]) -> list[Tensor]:
    """Compute the factors that scale the token weights for one question.

    Args:
        probabilities: probability that each token belongs to the answer, `[tokens]` for each document.

    Returns:
        From `MIN_FACTOR` to 1, `[tokens]` for each document.
    """
    together = torch.cat(list(probabilities))
    largest = together.max() if len(together) else together.new_ones(())
    return [torch.exp(SHARPNESS * (document / largest - 1)) for document in probabilities]


def prefer_latest(probabilities: Sequence[Tensor], overlaps: Sequence[float]) -> list[Tensor]:
    """Exclude documents before the latest one that answers a question (see `superseded_documents`).

    Args:
        probabilities: probability that each token belongs to the answer, `[tokens]` for each document in order.
        overlaps: share of the question's word weight that each document has.

    Returns:
        The probabilities, 0 in earlier documents that also answer the question.
    """
    earlier = earlier_answers(probabilities, overlaps)
    return [torch.zeros_like(document) if i in earlier else document for i, document in enumerate(probabilities)]


def earlier_answers(probabilities: Sequence[Tensor], overlaps: Sequence[float]) -> list[int]:
    """Find the documents that `prefer_latest` excludes; it has the same arguments."""
    return superseded_documents(largest_probabilities(probabilities), overlaps)


def largest_probabilities(probabilities: Sequence[Tensor]) -> list[float]:
    """The largest probability in each document; 0 without tokens."""
    return [document.max().item() if len(document) else 0.0 for document in probabilities]


def compute_min_factor(num_tokens: Tensor) -> Tensor:
    """Compute the factor in `S` of tokens that are not chosen `[N]`, at most `MIN_FACTOR`.

    Args:
        num_tokens: number of all tokens `[N]`.
    """
    return (OTHER_TOKENS / num_tokens.clamp_min(1)).clamp_max(MIN_FACTOR)


@dataclass(frozen=True)
class Background:
    """Precomputed quantities that all questions about some documents share.

    Attributes:
        inverse: `(min_factor S + lambda)^-1` `[L, N, r, r]`, float32.
        min_factor: factor in `S` of tokens that are not chosen `[N]`.
    """

    inverse: Tensor
    min_factor: Tensor


@dataclass(frozen=True)
class FocusSolver:
    """Solves for focused adapters.

    Attributes:
        hypernetwork: the hypernetwork that made the memories.
    """

    hypernetwork: AssociativeHypernetwork

    def background(self, S: Tensor, num_tokens: Tensor) -> Background:
        """Compute what all questions about some documents share.

        Args:
            S: statistics of all tokens `[L, N, r, r]`.
            num_tokens: number of tokens `[N]`.
        """
        min_factor = compute_min_factor(num_tokens)
        # Float32 is enough: the weights are small, so no eigenvalue is far from the ridge.
        inverse = torch.cholesky_inverse(self.hypernetwork.factorize(min_factor.view(-1, 1, 1) * S)).float()
        return Background(inverse, min_factor)

    def write(self, background: Background, memory: TokenMemory, factors: Tensor) -> Tensor:
        """Solve for adapters, at a fraction of the cost of `AssociativeHypernetwork.write`.

        Args:
            background: of the documents.
            memory: the chosen tokens `[L, N, T, ...]`.
            factors: factor of each chosen token `[N, T]`.

        Returns:
            `B [L, N, r + bias_rank, d]`, scaling included.
        """
        solution = solve_chosen_tokens(
            background.inverse, memory, factors, background.min_factor, scale=self.hypernetwork.output_scale()
        )
        return self.hypernetwork.append_static_lora(solution)


class BackgroundCache:
    """The most recently used backgrounds, keyed by the content of their documents. Thread-safe."""

    def __init__(self, max_entries: int = 64) -> None:
        """Start empty. An entry takes 1.3 MB for the default base."""
        self.max_entries = max_entries
        self._entries: OrderedDict[Hashable, Background] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        """Number of entries."""
        return len(self._entries)

    def get(self, key: Hashable, compute: Callable[[], Background]) -> Background:
        """Return the entry of `key`; if there is none, call `compute` to make it."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key]
        background = compute()
        with self._lock:
            self._entries[key] = background
            self._entries.move_to_end(key)
            while len(self._entries) > self.max_entries:
                self._entries.popitem(last=False)
        return background
