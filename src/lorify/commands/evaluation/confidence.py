"""`lorify eval confidence`: fitting and measuring the confidence that `lorify ask` reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lorify.commands.evaluation.options import ALL_QUESTIONS
from lorify.commands.evaluation.suites import read_suite
from lorify.commands.options import Base, Hypernetwork, Json, load_model
from lorify.commands.tables import print_table
from lorify.commands.terminal import print_json, show_progress, stderr
from lorify.errors import EvaluationError

if TYPE_CHECKING:
    from lorify.answering.calibration.confidence import ConfidenceModel

DEFAULT_SUITES = ("facts:documents=40:seed=1000", "portraits:documents=30:seed=1000")


def confidence(
    suites: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SUITE...",
            help=f"Suites to fit to: SUITE[:option=value...], or a path; by default {' and '.join(DEFAULT_SUITES)}.",
        ),
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(
            "--questions",
            metavar="PATH",
            help="JSON Lines with context, question and answers, or a folder of such files: measure the saved fit on "
            "them instead of fitting.",
        ),
    ] = None,
    save: Annotated[
        bool,
        typer.Option("--save", help="Save the fit beside the hypernetwork; `ask` then warns about doubtful answers."),
    ] = False,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Fit the confidence: an estimate of whether an answer is right, made without the expected answer.

    Asks suites with the adapter on, and fits a logistic regression to signals of the answers, such as the
    probabilities of their tokens. `auroc` is the probability that a right answer (F1 of at least 0.5) gets a higher
    confidence than a wrong one: for each signal alone and, on documents left out of the fit, for all signals together.
    With --questions, nothing is fitted; the fit saved beside the hypernetwork is measured on your own questions.

    Example: lorify eval confidence facts:documents=20
    """
    if questions is None:
        fitted, rows = _fit(suites or DEFAULT_SUITES, base, hypernetwork, save=save)
    elif suites or save:
        raise EvaluationError(
            "--questions measures a saved fit, so it excludes SUITE and --save; to fit to the file, give it as SUITE"
        )
    else:
        fitted, rows = _measure(questions, base, hypernetwork)
    if as_json:
        print_json({"confidence": fitted.model_dump(), "signals": rows})
    else:
        print_table(rows)


def _fit(
    suites: Sequence[str], base: str | None, hypernetwork: Path | None, *, save: bool
) -> tuple[ConfidenceModel, Sequence[Mapping[str, object]]]:
    from lorify.base.files.locate import DEFAULT_BASE
    from lorify.evaluation.scoring.calibration import calibrate
    from lorify.shipped import shipped_hypernetwork

    chosen = [read_suite(suite) for suite in suites]
    folder = hypernetwork or shipped_hypernetwork(base or DEFAULT_BASE)
    model = load_model(base, hypernetwork)
    with show_progress("answering", "documents") as advance:
        fitted, rows = calibrate(model, chosen, report=advance)
    if save:
        if folder is None:
            raise EvaluationError("there is no hypernetwork folder to save to; give one with --hypernetwork")
        stderr().print(f"written to {fitted.save(folder)}")
    return fitted, rows


def _measure(
    questions: Path, base: str | None, hypernetwork: Path | None
) -> tuple[ConfidenceModel, Sequence[Mapping[str, object]]]:
    from lorify.evaluation.scoring.calibration import measure_confidence
    from lorify.evaluation.suites.questions import QuestionsSuite

    suite = QuestionsSuite(path=questions, documents=ALL_QUESTIONS, questions=ALL_QUESTIONS)  # pyright: ignore[reportCallIssue]
    model = load_model(base, hypernetwork)
    saved = model.answerer.confidence_model
    if saved is None:
        raise EvaluationError(
            "no confidence is saved beside the hypernetwork; fit it with `lorify eval confidence --save` first"
        )
    with show_progress("answering", "documents") as advance:
        rows = measure_confidence(model, suite, saved, report=advance)
    return saved, rows
