"""Sampling: pick the next token of each row, each row with its own temperature, nucleus and random numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from lorify.base.constraints import Constraint
from lorify.base.precision import widest_float

DEFAULT_NEW_TOKENS = 128


@dataclass(frozen=True)
class GenerationOptions:
    """Options for generating an answer.

    Attributes:
        max_new_tokens: maximum length of the answer, in tokens.
        temperature: 0 decodes greedily.
        top_p: sample from the smallest set of most likely tokens whose probabilities add up to this (nucleus sampling).
        seed: makes sampling reproducible; None draws a new seed.
        presence_penalty: subtracted once from the logit of each token that the answer already contains.
        frequency_penalty: subtracted from the logit of a token once for each time the answer already contains it.
        logit_bias: added to the logits of tokens, as pairs of token id and bias.
        constraint: the required form of the answer, such as `lorify.base.constraints.json_constraint(schema)`.
    """

    max_new_tokens: int = DEFAULT_NEW_TOKENS
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    constraint: Constraint | None = None

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """The JSON schema of the answer; None without a constraint, or if the constraint is more than a schema."""
        return None if self.constraint is None else self.constraint.schema

    def with_seed_offset(self, offset: int) -> GenerationOptions:
        """Return the same options with `offset` added to the seed, if there is one."""
        return self if self.seed is None else replace(self, seed=self.seed + offset)


class RowControl(Protocol):
    """Decides, together with the base, which token of a row comes next."""

    def mask(self, logits: Tensor) -> None:
        """Change the row's logits `[V]` in place."""
        ...

    def choose(self, token: int) -> int:
        """Take the token that was sampled and return the token of the answer."""
        ...


class FixedRow:
    """A row whose answer is known: its tokens come in order, whatever the base would generate."""

    def __init__(self, tokens: Sequence[int], stop_id: int) -> None:
        """Begin at the first token; `stop_id` follows the last one."""
        self._tokens = iter(tokens)
        self._stop_id = stop_id

    def mask(self, logits: Tensor) -> None:
        """Leave the logits as they are."""

    def choose(self, token: int) -> int:
        """Return the next token of the answer in place of the sampled one."""
        return next(self._tokens, self._stop_id)


class Sampler:
    """The sampling settings and random numbers of one row, independent of the other rows of the batch."""

    def __init__(self, options: GenerationOptions, control: RowControl | None = None) -> None:
        """Seed the row's random number generator.

        Args:
            options: the options.
            control: the state of the row's constraint or known answer, if it has one.
        """
        self.options = options
        self.temperature = options.temperature
        self.top_p = options.top_p
        self._control = control
        self._counts: Counter[int] = Counter()  # tokens of the answer so far
        biases: dict[int, float] = {}
        for token, bias in options.logit_bias:
            biases[token] = biases.get(token, 0.0) + bias
        self._biased = torch.tensor(list(biases), dtype=torch.long)
        self._biases = torch.tensor(list(biases.values()), dtype=torch.float32)
        self._generator = torch.Generator()
        if options.seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(options.seed)

    @property
    def is_greedy(self) -> bool:
        """Whether the most likely token is always picked."""
        return self.temperature <= 0

    @property
    def changes_logits(self) -> bool:
        """Whether `change` changes logits."""
        options = self.options
        penalized = options.logit_bias or options.presence_penalty or options.frequency_penalty
        return bool(penalized) or self._control is not None

    def change(self, logits: Tensor) -> None:
        """Apply biases, penalties and the constraint to the row's logits `[V]` in place."""
        if self.options.logit_bias:
            biased = self._biased.to(logits.device)
            logits[biased] = (logits[biased].float() + self._biases.to(logits.device)).to(logits.dtype)
        if self._counts and (self.options.presence_penalty or self.options.frequency_penalty):
            tokens = torch.tensor(list(self._counts), device=logits.device)
            counts = torch.tensor(list(self._counts.values()), device=logits.device, dtype=logits.dtype)
            logits[tokens] -= self.options.presence_penalty + self.options.frequency_penalty * counts
        if self._control is not None:
            self._control.mask(logits)

    def choose(self, token: int) -> int:
        """Take the token that was sampled and return the token of the answer."""
        if self._control is not None:
            token = self._control.choose(token)
        self._counts[token] += 1
        return token

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
    changed = [row for row, sampler in enumerate(samplers) if sampler.changes_logits]
    if changed:
        logits = logits.clone()
        for row in changed:
            samplers[row].change(logits[row])
    tokens = _sampled(logits, samplers)
    for row in changed:
        tokens[row] = samplers[row].choose(int(tokens[row]))
    return tokens


def _sampled(logits: Tensor, samplers: Sequence[Sampler]) -> Tensor:
    """Pick tokens `[N]` by the temperature and nucleus of each row."""
    tokens = _most_likely(logits)
    plain = [row for row, sampler in enumerate(samplers) if not sampler.is_greedy and sampler.top_p >= 1]
    nucleus = [row for row, sampler in enumerate(samplers) if not sampler.is_greedy and sampler.top_p < 1]
    if plain:
        chosen = [samplers[row] for row in plain]
        tokens[plain] = _draw_indices(_probabilities(logits[plain], chosen), chosen)
    if nucleus:  # a separate branch, since sorting the vocabulary is slow
        chosen = [samplers[row] for row in nucleus]
        ordered, order = _probabilities(logits[nucleus], chosen).sort(-1, descending=True)
        top_p = logits.new_tensor([[max(sampler.top_p, 1e-9)] for sampler in chosen], dtype=torch.float32)
        # A token is kept if the more likely ones add up to less than top_p, so the most likely is always kept.
        ordered = ordered.masked_fill(ordered.cumsum(-1) - ordered >= top_p, 0.0)
        tokens[nucleus] = order.gather(-1, _draw_indices(ordered, chosen)[:, None])[:, 0]
    return tokens


def _most_likely(logits: Tensor) -> Tensor:
    """Pick the most likely tokens `[N]`."""
    if logits.device.type == "cpu" and logits.dtype == torch.float32:
        # PyTorch would wake its threads, which then wait for more work on the cores that decode the next token.
        return torch.from_numpy(logits.numpy().argmax(-1))
    return logits.argmax(-1)


def _probabilities(logits: Tensor, samplers: Sequence[Sampler]) -> Tensor:
    temperatures = logits.new_tensor([[sampler.temperature] for sampler in samplers], dtype=torch.float32)
    return (logits.float() / temperatures).softmax(-1)


def _draw_indices(weights: Tensor, samplers: Sequence[Sampler]) -> Tensor:
    """Draw an index `[N]` from each row of `weights [N, V]`, with probability proportional to its weight."""
    cumulated = weights.to(widest_float(weights.device)).cumsum(-1)
    total = cumulated[:, -1:]
    draws = total.new_tensor([[sampler.draw()] for sampler in samplers])
    indices = torch.searchsorted(cumulated, draws * total, right=True)
    # Rounding may give an index past the last token with a non-zero weight.
    last = (weights > 0).to(torch.uint8).flip(-1).argmax(-1, keepdim=True)
    return torch.minimum(indices, weights.shape[-1] - 1 - last)[:, 0]
