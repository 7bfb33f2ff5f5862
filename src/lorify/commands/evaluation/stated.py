"""`lorify eval stated`: fitting what decides whether `lorify ask` withholds an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lorify.commands.evaluation.suites import read_suite
from lorify.commands.options import Base, Hypernetwork, Json, load_model
from lorify.commands.tables import print_table
from lorify.commands.terminal import print_json, print_line, show_progress, stderr
from lorify.errors import EvaluationError

DEFAULT_SUITE = "unanswerable:documents=40:seed=1000"


def stated(
    suite: Annotated[
        str, typer.Argument(metavar="SUITE", help="`unanswerable` with its options, such as path=QUESTIONS.jsonl.")
    ] = DEFAULT_SUITE,
    save: Annotated[
        bool, typer.Option("--save", help="Save the fit beside the hypernetwork; `ask` then withholds answers by it.")
    ] = False,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """Fit the model that tells whether a document states an answer.

    Asks questions that documents answer and questions that they do not, and fits a logistic regression to the signals
    of the answers. `auroc` is the probability that a right answer is rated as more likely stated than an answer to an
    unanswerable question. It and the shares of withheld answers are measured on documents left out of the fit.

    Example: lorify eval stated unanswerable:documents=20
    """
    from lorify.base.files.locate import DEFAULT_BASE
    from lorify.evaluation.scoring.stated import collect_answers, fit_stated
    from lorify.shipped import shipped_hypernetwork

    chosen = read_suite(suite)
    folder: Path | None = hypernetwork or shipped_hypernetwork(base or DEFAULT_BASE)
    model = load_model(base, hypernetwork)
    with show_progress("answering", "documents") as advance:
        answers = collect_answers(model, chosen.build(model), chosen.max_new_tokens, advance)
    fitted, rows = fit_stated(answers, model.internalizer.digest)
    if save:
        if folder is None:
            raise EvaluationError("there is no hypernetwork folder to save to; give one with --hypernetwork")
        stderr().print(f"written to {fitted.save(folder)}")
    if as_json:
        print_json({"stated": fitted.model_dump(), "questions": rows})
    else:
        print_table(rows)
        print_line(f"auroc: {fitted.auroc}")
