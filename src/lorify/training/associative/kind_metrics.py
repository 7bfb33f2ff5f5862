"""Loss and exact match of a batch by kind of question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def metrics_by_kind(kinds: Sequence[str], loss: Tensor, exact: Tensor) -> dict[str, float]:
    """Average loss and exact match over the questions of each kind.

    Args:
        kinds: kind of each question.
        loss: `[questions]`.
        exact: 1 or True where the answer is right `[questions]`.

    Returns:
        `loss/KIND` and `exact/KIND` of each kind.
    """
    loss, exact = loss.detach().cpu(), exact.cpu().float()
    metrics: dict[str, float] = {}
    for kind in sorted(set(kinds)):
        chosen = torch.tensor([k == kind for k in kinds])
        metrics[f"loss/{kind}"] = loss[chosen].mean().item()
        metrics[f"exact/{kind}"] = exact[chosen].mean().item()
    return metrics


class KindTotals:
    """Collects losses and exact matches by kind over several batches."""

    def __init__(self) -> None:
        """Start empty."""
        self._values: dict[str, list[float]] = {}

    def add(self, name: str, values: Sequence[float]) -> None:
        """Add values of the metric `name`, such as `loss/person`; questions count equally in its mean."""
        self._values.setdefault(name, []).extend(values)

    def add_questions(self, kinds: Sequence[str], loss: Tensor, exact: Tensor) -> None:
        """Add the questions of a batch; arguments as for `metrics_by_kind`."""
        for kind, value, right in zip(kinds, loss.tolist(), exact.tolist(), strict=True):
            self.add(f"loss/{kind}", [value])
            self.add(f"exact/{kind}", [right])

    def means(self) -> dict[str, float]:
        """Return the mean of each metric, sorted by name."""
        return {name: sum(values) / len(values) for name, values in sorted(self._values.items()) if values}


def total_exact(metrics: Mapping[str, float]) -> float:
    """Sum exact match over the kinds."""
    return sum(value for name, value in metrics.items() if name.startswith("exact/"))
