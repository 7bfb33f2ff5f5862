"""Warn about answers that are probably wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lorify.commands.terminal import stderr

if TYPE_CHECKING:
    from lorify.answering.plan import AnswerPlan
    from lorify.base.decoding.sampling import GenerationOptions
    from lorify.facade import Lorify


def note_bare_answer() -> None:
    """Print a note that an answer does not come from the documents."""
    stderr().print(
        "note: the question does not seem to be about the documents; this is what the base says without them "
        "(--grounded declines such questions)",
        style="yellow",
    )


def note_if_cut(model: Lorify, plan: AnswerPlan, text: str, options: GenerationOptions) -> None:
    """Print a note if an answer was cut off because the base's window was full; arguments as for `is_cut_by_window`."""
    if model.answerer.is_cut_by_window(plan, text, options):
        stderr().print(
            f"note: the answer was cut off, since prompt and answer fill the window of {model.base.window_tokens:,} "
            "tokens; shorten the question or the chat",
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
