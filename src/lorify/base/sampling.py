"""Picking the next token of each row, each row with its own temperature, nucleus and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How the tokens of one row are picked.

    Attributes:
        temperature: 0 is greedy.
        top_p: sample from the likeliest tokens that together have this probability.
        seed: makes sampling reproducible; None takes a new one.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None


class Sampler:
    """Picks the tokens of one row; what it picks does not depend on the other rows of the batch."""

    def __init__(self, sampling: Sampling) -> None:
        """Start the row's own random numbers."""
        self.temperature = sampling.temperature
        self.top_p = sampling.top_p
        self._generator = torch.Generator()
        if sampling.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(sampling.seed)

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is always taken."""
        return self.temperature <= 0

    def draw(self) -> float:
        """The row's next random number in [0, 1)."""
        return torch.rand((), generator=self._generator, dtype=torch.float64).item()


@torch.inference_mode()
def sample_tokens(logits: Tensor, samplers: Sequence[Sampler]) -> Tensor:
    """Logits `[N, V]` -> tokens `[N]`, each row by its own sampler."""
    tokens = logits.argmax(-1)
    plain = [row for row, sampler in enumerate(samplers) if not sampler.greedy and sampler.top_p >= 1]
    nucleus = [row for row, sampler in enumerate(samplers) if not sampler.greedy and sampler.top_p < 1]
    if plain:
        chosen = [samplers[row] for row in plain]
        tokens[plain] = _drawn(_probabilities(logits[plain], chosen), chosen)
    if nucleus:  # sorting all the vocabulary takes time
        chosen = [samplers[row] for row in nucleus]
        ordered, order = _probabilities(logits[nucleus], chosen).sort(-1, descending=True)
        top_p = logits.new_tensor([[max(sampler.top_p, 1e-9)] for sampler in chosen], dtype=torch.float32)
        # A token stays if those before it have less than top_p together; the likeliest always stays.
        ordered = ordered.masked_fill(ordered.cumsum(-1) - ordered >= top_p, 0.0)
        tokens[nucleus] = order.gather(-1, _drawn(ordered, chosen)[:, None])[:, 0]
    return tokens


def _probabilities(logits: Tensor, samplers: Sequence[Sampler]) -> Tensor:
    temperatures = logits.new_tensor([[sampler.temperature] for sampler in samplers], dtype=torch.float32)
    return (logits.float() / temperatures).softmax(-1)


def _drawn(weights: Tensor, samplers: Sequence[Sampler]) -> Tensor:
    """An index `[N]` of each row of `weights [N, V]`, with a probability in proportion to its weight."""
    cumulated = weights.double().cumsum(-1)
    total = cumulated[:, -1:]
    draws = total.new_tensor([[sampler.draw()] for sampler in samplers])
    indices = torch.searchsorted(cumulated, draws * total, right=True)
    # Rounding may lead past the last token with any weight.
    last = (weights > 0).to(torch.uint8).flip(-1).argmax(-1, keepdim=True)
    return torch.minimum(indices, weights.shape[-1] - 1 - last)[:, 0]
