"""`lorify eval descriptions`: fitting and measuring the estimate that `lorify specialize` shows."""

from __future__ import annotations

from typing import Annotated

import typer

from lorify.commands.evaluation.suites import read_suite
from lorify.commands.options import Base, Json, TaskHypernetwork, load_model
from lorify.commands.tables import print_table
from lorify.commands.terminal import print_json, print_line, show_progress, stderr
from lorify.errors import EvaluationError

DEFAULT_SUITES = ("tasks:seen=true:instances=5:seeds=2", "tasks:written=true:instances=5:seeds=2")


def descriptions(
    suites: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SUITE...",
            help=f"Suites of tasks: SUITE[:option=value...]; by default {' and '.join(DEFAULT_SUITES)}.",
        ),
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure the saved estimate on the suites instead of fitting it to them.")
    ] = False,
    save: Annotated[
        bool,
        typer.Option("--save", help="Save the fit beside the task hypernetwork; `specialize` then shows the estimate."),
    ] = False,
    base: Base = None,
    task_hypernetwork: TaskHypernetwork = None,
    as_json: Json = False,
) -> None:
    """Fit the estimate of whether a description is one that its adapter can follow, without examples of the task.

    Gives inputs of tasks to the adapters of their descriptions, and fits a logistic regression to signals of the
    descriptions. `auroc` is the probability that a task that is done (a mean score of at least 0.5) has a higher
    estimate than one that is not: for the fit on families of tasks left out of it.

    Example: lorify eval descriptions tasks fuzzy --measure
    """
    from lorify.evaluation.scoring.description_estimate import fit_descriptions, measure_descriptions, try_descriptions

    if measure and save:
        raise EvaluationError("--measure fits nothing, so there is nothing to --save; leave one of them out")
    chosen = [read_suite(suite) for suite in suites or DEFAULT_SUITES]
    model = load_model(base, task_hypernetwork=task_hypernetwork)
    saved = model.description_model if measure else None
    if measure and saved is None:
        raise EvaluationError(
            "no estimate is saved beside the task hypernetwork; fit it with `lorify eval descriptions --save` first"
        )
    with show_progress("answering", "descriptions") as advance:
        tried = try_descriptions(model, chosen, report=advance)
    fitted = saved or fit_descriptions(tried, model.specializer.digest)
    rows = measure_descriptions(tried, fitted)
    if save:
        assert model.task_hypernetwork is not None, "without one, nothing could be tried"
        stderr().print(f"written to {fitted.save(model.task_hypernetwork)}")
    if as_json:
        print_json({"descriptions": fitted.model_dump(), "suites": rows})
        return
    print_table(rows)
    if saved is None:
        print_line(f"auroc on other families: {fitted.auroc}")
