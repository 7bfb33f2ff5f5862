"""The interface between the training loop and the objectives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn


@dataclass(frozen=True)
class BatchLoss:
    """Loss and metrics of one batch.

    Attributes:
        loss: scalar, with the gradient.
        metrics: further curves, such as `loss/facts` and `exact/facts`.
        num_tokens: tokens that the base read, to report the speed.
        weight: of this batch in the mean over a step's batches, over all processes.
        data_seconds: time that the step waited for its batch.
    """

    loss: Tensor
    metrics: Mapping[str, float]
    num_tokens: int
    weight: float = 1.0
    data_seconds: float = 0.0


class Objective(Protocol):
    """A trainable module with its data and loss.

    It starts with its module in its initial state. Batches are numbered: batch n of a config is always the same.
    """

    @property
    def module(self) -> nn.Module:
        """The trained module; its parameters that require a gradient are updated."""
        ...

    def loss(self, batch: int) -> BatchLoss:
        """Compute the loss of training batch `batch`; dropout may draw from torch's generators."""
        ...

    def evaluate(self) -> dict[str, float]:
        """Compute metrics on held-out data, the same data every time; called without gradients."""
        ...

    def score(self, heldout: Mapping[str, float]) -> float:
        """Reduce the metrics of `evaluate` to one number, where larger is better; the loop keeps the best."""
        ...

    def save_best(self, folder: Path) -> None:
        """Write the result that users load; an earlier one in `folder` is replaced completely or not at all."""
        ...
