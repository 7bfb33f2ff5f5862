"""Warn about answers that are probably wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lorify.commands.terminal import stderr

if TYPE_CHECKING:
    from lorify.facade import Lorify


def note_bare_answer() -> None:
    """Print a note that an answer does not come from the documents."""
    stderr().print(
        "note: the question does not seem to be about the documents; this is what the base says without them",
        style="yellow",
    )


def warn_if_doubtful(model: Lorify, confidence: float | None) -> None:
    """Print a note if an answer is less probably right than the threshold of the model's confidence.

    Args:
        model: the model that answered.
        confidence: probability that the answer is right; None if it is unknown.
    """
    confidence_model = model.answerer.confidence_model
    if confidence is None or confidence_model is None or not confidence_model.is_doubtful(confidence):
        return
    stderr().print(
        f"note: the adapter may not hold this (probably right: {confidence:.0%}); look it up", style="yellow"
    )
