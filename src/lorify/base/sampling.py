"""Sampling: pick the next token of each row, each row with its own temperature, nucleus and random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

DEFAULT_NEW_TOKENS = 128


@dataclass(frozen=True)
class GenerationOptions:
    """Options for generating an answer.

    Attributes:
        max_new_tokens: maximum length of the answer, in tokens.
        temperature: 0 decodes greedily.
        top_p: sample from the smallest set of most likely tokens whose probabilities add up to this (nucleus sampling).
        seed: makes sampling reproducible; None draws a new seed.
    """

    max_new_tokens: int = DEFAULT_NEW_TOKENS
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None

    def with_seed_offset(self, offset: int) -> GenerationOptions:
        """Return the same options with `offset` added to the seed, if there is one."""
        return self if self.seed is None else replace(self, seed=self.seed + offset)


class Sampler:
    """The sampling settings and random numbers of one row, independent of the other rows of the batch."""

    def __init__(self, options: GenerationOptions) -> None:
        """Seed the row's random number generator."""
        self.temperature = options.temperature
        self.top_p = options.top_p
        self._generator = torch.Generator()
        if options.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(options.seed)

    @property
    def is_greedy(self) -> bool:
        """Whether the most likely token is always picked."""
        return self.temperature <= 0

    def draw(self) -> float:
        """Draw the row's next random number from [0, 1)."""
        return torch.rand((), generator=self._generator, dtype=torch.float64).item()


@torch.inference_mode()
def sample_tokens(logits: Tensor, samplers: Sequence[Sampler]) -> Tensor:
    """Pick the next token of each row.

    Args:
        logits: `[N, V]`.
        samplers: one per row.

    Returns:
        Tokens `[N]`.
    """
    tokens = logits.argmax(-1)
    plain = [row for row, sampler in enumerate(samplers) if not sampler.is_greedy and sampler.top_p >= 1]
    nucleus = [row for row, sampler in enumerate(samplers) if not sampler.is_greedy and sampler.top_p < 1]
    if plain:
        chosen = [samplers[row] for row in plain]
        tokens[plain] = _draw_indices(_probabilities(logits[plain], chosen), chosen)
    if nucleus:  # a branch of its own: sorting the vocabulary is slow
        chosen = [samplers[row] for row in nucleus]
        ordered, order = _probabilities(logits[nucleus], chosen).sort(-1, descending=True)
        top_p = logits.new_tensor([[max(sampler.top_p, 1e-9)] for sampler in chosen], dtype=torch.float32)
        # A token is kept if the more likely ones add up to less than top_p, so the most likely is always kept.
        ordered = ordered.masked_fill(ordered.cumsum(-1) - ordered >= top_p, 0.0)
        tokens[nucleus] = order.gather(-1, _draw_indices(ordered, chosen)[:, None])[:, 0]
    return tokens


def _probabilities(logits: Tensor, samplers: Sequence[Sampler]) -> Tensor:
    temperatures = logits.new_tensor([[sampler.temperature] for sampler in samplers], dtype=torch.float32)
    return (logits.float() / temperatures).softmax(-1)


def _draw_indices(weights: Tensor, samplers: Sequence[Sampler]) -> Tensor:
    """Draw an index `[N]` from each row of `weights [N, V]`, with probability proportional to its weight."""
    cumulated = weights.double().cumsum(-1)
    total = cumulated[:, -1:]
    draws = total.new_tensor([[sampler.draw()] for sampler in samplers])
    indices = torch.searchsorted(cumulated, draws * total, right=True)
    # Rounding may lead past the last token with a non-zero weight.
    last = (weights > 0).to(torch.uint8).flip(-1).argmax(-1, keepdim=True)
    return torch.minimum(indices, weights.shape[-1] - 1 - last)[:, 0]
