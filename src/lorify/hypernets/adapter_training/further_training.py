"""Further train a hypernetwork's adapter on examples, by gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lorify.adapters import Adapter
from lorify.base.model import BaseLM
from lorify.hypernets.adapter_training.gradient_loop import distill
from lorify.hypernets.adapter_training.time_limit import TimeLimit
from lorify.hypernets.adapter_training.training_examples import Focus, TrainingExample

BATCH_SIZE = 8
LEARNING_RATE = 0.003


def train_further(
    base: BaseLM, adapter: Adapter, examples: Sequence[TrainingExample], *, limit: TimeLimit, focus: Focus | None = None
) -> Adapter:
    """Train the `B` of a hypernetwork's adapter on examples.

    Args:
        base: the base.
        adapter: the hypernetwork's adapter.
        examples: the training examples.
        limit: no step starts that would exceed it if it took as long as the last one.
        focus: as for `distill`.

    Returns:
        The trained adapter, see `as_refined`.
    """
    trained = distill(
        base,
        examples,
        adapter,
        limit=limit,
        learning_rate=LEARNING_RATE,
        batch_size=BATCH_SIZE,
        learn_A=False,
        focus=focus,
    )
    return as_refined(trained, adapter, limit.elapsed)


def as_refined(trained: Adapter, generated: Adapter, seconds: float) -> Adapter:
    """Give a trained adapter the provenance and statistics of the adapter that it started from.

    Args:
        trained: from `distill`.
        generated: the hypernetwork's adapter.
        seconds: how long it was trained.
    """
    provenance = generated.provenance.model_copy(
        update={"refined_seconds": round(seconds, 1), "fidelity": None, "follows": None}
    )
    return replace(trained, provenance=provenance, statistics=generated.statistics)
