"""The gradient loop of refinement and context distillation: a LoRA learns the teacher's distributions with a KL loss.

Source: Doc-to-LoRA (arXiv 2602.15902), its context distillation baseline. Here, steps are relative to the size of each
matrix, so that one learning rate works from a blank adapter and from a hypernetwork's adapter.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from lorify.adapters import Adapter, DocumentRecord, LoraPair, Provenance
from lorify.adapters.adapter import Key, lorify_version
from lorify.base.lora import LoraTensors
from lorify.base.model import BaseLM
from lorify.contexts.documents import Document
from lorify.hypernets.adapted_modules import DEFAULT_MODULE
from lorify.hypernets.adapter_training.time_limit import TimeLimit
from lorify.hypernets.adapter_training.training_examples import Focus, TrainingExample, mean_kl_to_teacher

MIN_RMS = 0.01
"""Reference size for steps of a matrix of zeros."""


class _TrainedLora:
    """A LoRA in training: `A`, and what is added to the initial `B`."""

    def __init__(self, base: BaseLM, start: Adapter, *, learn_A: bool) -> None:
        self.device, self.start, self.learn_A = base.device, start, learn_A
        self.scaling = {key: start.scaling(key) for key in start.weights}
        weights = start.weights.items()
        self.A = {key: pair.A.detach().to(base.device, torch.float32, copy=learn_A) for key, pair in weights}
        self.B = {key: x.contiguous() for key, x in self._scaled_B(start).items()}
        self.change = {key: torch.zeros_like(x) for key, x in self.B.items()}

    def parameter_groups(self, learning_rate: float) -> list[dict[str, object]]:
        """One group for each learned matrix, with a learning rate relative to its size."""
        learned = [(x, x) for x in self.A.values()] if self.learn_A else []
        learned += [(self.change[key], x) for key, x in self.B.items()]
        return [
            {"params": [matrix.requires_grad_(True)], "lr": learning_rate * max(_rms(relative_to), MIN_RMS)}
            for matrix, relative_to in learned
        ]

    def lora_batch(self, examples: Sequence[TrainingExample], focus: Focus | None) -> dict[Key, LoraTensors]:
        """The update of each example: the initial adapter, focused on the question, plus what was learned."""
        below = {key: x.unsqueeze(0) for key, x in self.B.items()}  # [1 or rows, r, out]
        if focus is not None:
            adapters = focus([self.start] * len(examples), [example.question for example in examples])
            focused = [self._scaled_B(adapter) for adapter in adapters]
            below = {key: torch.stack([row[key] for row in focused]) for key in self.B}
        return {key: LoraTensors(self.A[key], below[key] + self.change[key]) for key in self.A}

    def adapter(self) -> Adapter:
        """The trained adapter."""
        weights = {}
        for key, pair in self.start.weights.items():
            B = (self.B[key] + self.change[key].detach()).T / self.scaling[key]
            weights[key] = LoraPair(self.A[key].detach() if self.learn_A else pair.A, B)
        return Adapter(weights, self.start.lora_alpha, self.start.provenance)

    def _scaled_B(self, adapter: Adapter) -> dict[Key, Tensor]:
        """`B` of each module with the initial adapter's scaling, `[r, out]`."""
        return {
            key: (pair.B.detach().to(self.device, torch.float32) * self.scaling[key]).T
            for key, pair in adapter.weights.items()
        }


def distill(
    base: BaseLM,
    examples: Sequence[TrainingExample],
    start: Adapter,
    *,
    limit: TimeLimit,
    steps: int | None = None,
    learning_rate: float,
    batch_size: int,
    learn_A: bool = True,
    focus: Focus | None = None,
) -> Adapter:
    """Train an adapter on examples, with the base frozen.

    Args:
        base: the base.
        examples: the training examples; if empty, `start` is returned.
        start: the adapter to start from; it is not changed.
        limit: no step starts that would exceed it if it took as long as the last one.
        steps: maximum number of steps; None: only time limits it.
        learning_rate: size of a step, relative to the root mean square of each matrix.
        batch_size: examples per step.
        learn_A: whether to train `A` too; otherwise it stays the one that all adapters of a hypernetwork share.
        focus: focuses `start` on the question of each example, as at inference; what is learned is added to it.

    Returns:
        The trained adapter, in float32, without statistics.
    """
    lora = _TrainedLora(base, start, learn_A=learn_A)
    groups = lora.parameter_groups(learning_rate)
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.98))
    learned = [matrix for group in optimizer.param_groups for matrix in group["params"]]
    rng = random.Random(0)
    order: list[TrainingExample] = []
    for _ in limit.steps(steps if examples else 0):
        if len(order) < batch_size:
            order += rng.sample(examples, len(examples))
        batch, order = order[:batch_size], order[batch_size:]
        loss = mean_kl_to_teacher(base, batch, lora.lora_batch(batch, focus))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
    return lora.adapter()


def blank_adapter(base: BaseLM, rank: int, documents: Sequence[Document]) -> Adapter:
    """Make a LoRA on every block's `down_proj` that has no effect yet: `A` random, `B` zero."""
    generator = torch.Generator().manual_seed(0)
    weights: dict[Key, LoraPair] = {}
    for layer in range(base.num_layers):
        linear = base.linear(layer, DEFAULT_MODULE)
        A = torch.randn(rank, linear.in_features, generator=generator) / linear.in_features**0.5
        weights[layer, DEFAULT_MODULE] = LoraPair(A, torch.zeros(linear.out_features, rank))
    provenance = Provenance(
        base_name=base.name,
        base_digest=base.digest,
        hypernetwork="context distillation",
        documents=tuple(
            DocumentRecord(name=d.name, digest=d.digest, num_tokens=len(base.encode_text(d.text))) for d in documents
        ),
        lorify_version=lorify_version(),
    )
    return Adapter(weights, float(rank), provenance)


def _rms(matrix: Tensor) -> float:
    return float(matrix.detach().square().mean().sqrt())
