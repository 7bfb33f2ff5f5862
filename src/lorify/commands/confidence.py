"""Doubts about an answer: how probably an adapter's answer is right, as fitted for its hypernetwork."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lorify.commands.terminal import stderr

if TYPE_CHECKING:
    from lorify.adapters import AdapterLike
    from lorify.evaluation.scoring.confidence import Confidence
    from lorify.facade import Lorify

Doubts = Callable[[str, str, "AdapterLike"], "float | None"]
"""(question, answer, adapter) -> probability that the answer is right; None where nothing is known of it."""


def hypernetwork_folder(base: str | None, hypernetwork: Path | None) -> Path | None:
    """Where the hypernetwork that a command uses lies."""
    from lorify.base.files import DEFAULT_BASE
    from lorify.facade import SHIPPED_HYPERNETWORKS

    return hypernetwork if hypernetwork is not None else SHIPPED_HYPERNETWORKS.get(base or DEFAULT_BASE)


def load_doubts(model: Lorify, base: str | None, hypernetwork: Path | None) -> Doubts:
    """What judges answers; without `confidence.json` beside the hypernetwork, nothing is known of any.

    Nor is anything known of answers with other adapters than this hypernetwork's: what is fitted to questions about
    documents says nothing about those of a task.
    """
    from lorify.evaluation.scoring.confidence import answer_signals, load_confidence

    folder = hypernetwork_folder(base, hypernetwork)
    confidence = load_confidence(folder, model.internalizer.digest) if folder is not None else None

    def judge(question: str, answer: str, adapter: AdapterLike) -> float | None:
        if confidence is None:
            return None
        active = model.for_question(adapter, question)
        if active.is_empty:
            return None
        if any(part.provenance.hypernetwork_digest != confidence.hypernetwork_digest for part in active.adapters):
            return None
        (signals,) = answer_signals(model.base, [question], [answer], [active])
        probability = confidence.probability(signals)
        _warn(confidence, probability)
        return round(probability, 3)

    return judge


def _warn(confidence: Confidence, probability: float) -> None:
    if probability < confidence.threshold:
        stderr().print(
            f"note: the adapter may not hold this (probably right: {probability:.0%}); look it up", style="yellow"
        )
