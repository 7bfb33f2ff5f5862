"""`eval compare`, `pool`, `report`, `confidence` and `list`: what is made of runs, and what there is to run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lorify.commands.confidence import hypernetwork_folder
from lorify.commands.evaluating import ALL_QUESTIONS
from lorify.commands.heldout import heldout_kind
from lorify.commands.options import Base, Hypernetwork, Json, load_model
from lorify.commands.tables import say_table
from lorify.commands.terminal import counting, say_json, say_line, stderr
from lorify.errors import EvaluationError

FITTED_TO = "facts:documents=40:seed=1000"


def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    second: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of another run of the same suite.")],
    as_json: Json = False,
) -> None:
    """What differs between two runs, and is it more than chance?

    Each method of both is compared on the questions that both asked, by a sign-flip test over documents.

    Example: lorify eval compare runs/facts runs/facts-longer-training
    """
    from lorify.evaluation.reports.comparison import compare_runs

    comparison = compare_runs(first, second)
    if as_json:
        say_json({"settings": comparison.settings, "scores": comparison.rows})
        return
    for line in comparison.settings:
        say_line(line)
    say_table(comparison.rows)


def pool(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of runs with their answers.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder for the table and the plot.")
    ] = None,
    as_json: Json = False,
) -> None:
    """One table of runs that differ in their seeds, or in how many tasks were trained on.

    Scores by method, with intervals over runs and documents (or tasks). Runs whose task hypernetworks were trained on
    different numbers of tasks are kept apart, and plotted against that number.

    Example: lorify eval pool runs/scores-seed0 runs/scores-seed1 runs/scores-seed2 -o runs/scores
    """
    from lorify.evaluation.reports.pooling import pool_runs, write_pooled

    rows = pool_runs(runs)
    if output is not None:
        write_pooled(output, rows)
    if as_json:
        say_json({"runs": [str(run) for run in runs], "scores": rows})
    else:
        say_table([{key: row[key] for key in row if any(r[key] is not None for r in rows)} for row in rows])


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Folders of runs.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Markdown file to write.")],
) -> None:
    """Write one page of the tables and plots of several runs.

    Single answers are not needed: a folder may be kept without its answers.jsonl.

    Example: lorify eval report results/facts results/niah -o docs/results.md
    """
    from lorify.evaluation.reports.results_page import write_results

    write_results(runs, output)
    say_line(str(output))


def confidence(
    suite: Annotated[
        str | None,
        typer.Argument(
            metavar="SUITE", help=f"What to fit to: SUITE[:option=value...], or a path; by default {FITTED_TO}."
        ),
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(
            "--questions",
            metavar="PATH",
            help="JSON lines with context, question and answers, or a folder: nothing is fitted, what is kept beside "
            "the hypernetwork is measured.",
        ),
    ] = None,
    save: Annotated[
        bool, typer.Option("--save", help="Keep it beside the hypernetwork; then `ask` warns of doubtful answers.")
    ] = False,
    base: Base = None,
    hypernetwork: Hypernetwork = None,
    as_json: Json = False,
) -> None:
    """How well can right answers be told from wrong ones, without knowing the right one?

    Asks a suite with the adapter and fits what tells: `auroc` is the probability that a right answer (F1 of at least
    0.5) looks better than a wrong one, for each signal and, on documents left out of the fit, for all together. With
    --questions nothing is fitted: it tells how well `ask` warns on questions of your own, by what --save has kept.

    Example: lorify eval confidence facts:documents=20
    """
    from lorify.evaluation.scoring.calibration import calibrate
    from lorify.evaluation.scoring.confidence import save_confidence
    from lorify.evaluation.suites.documents import parse_suite

    if questions is not None:
        if suite is not None or save:
            raise EvaluationError(
                "--questions measures and fits nothing, so it excludes SUITE and --save; to fit to the file, give it "
                "as SUITE"
            )
        _measure_warning(questions, base, hypernetwork, as_json)
        return
    chosen = parse_suite(suite or FITTED_TO, {"heldout": heldout_kind()})
    folder = hypernetwork_folder(base, hypernetwork)
    model = load_model(base, hypernetwork)
    with counting("answering", "documents") as advance:
        fitted, rows = calibrate(model, chosen, report=advance)
    if save:
        if folder is None:
            raise EvaluationError("no hypernetwork folder to save to; give one with --hypernetwork")
        stderr().print(f"written to {save_confidence(folder, fitted)}")
    if as_json:
        say_json({"confidence": fitted.model_dump(), "signals": rows})
    else:
        say_table(rows)


def _measure_warning(questions: Path, base: str | None, hypernetwork: Path | None, as_json: bool) -> None:
    from lorify.evaluation.scoring.calibration import measure_confidence
    from lorify.evaluation.scoring.confidence import load_confidence
    from lorify.evaluation.suites.documents import QuestionsSuite

    suite = QuestionsSuite(path=questions, documents=ALL_QUESTIONS, questions=ALL_QUESTIONS)  # pyright: ignore[reportCallIssue]
    folder = hypernetwork_folder(base, hypernetwork)
    model = load_model(base, hypernetwork)
    kept = load_confidence(folder, model.internalizer.digest) if folder is not None else None
    if kept is None:
        raise EvaluationError(
            "nothing is kept beside the hypernetwork that `ask` could warn by; fit it with `lorify eval confidence "
            "--save` first"
        )
    with counting("answering", "documents") as advance:
        rows = measure_confidence(model, suite, kept, report=advance)
    if as_json:
        say_json({"confidence": kept.model_dump(), "signals": rows})
    else:
        say_table(rows)


def list_kinds() -> None:
    """Suites and methods with their options, for `lorify eval SUITE`.

    Example: lorify eval list
    """
    from lorify.evaluation.methods.documents import METHODS
    from lorify.evaluation.specs import describe_specs
    from lorify.evaluation.suites.documents import SUITES
    from lorify.evaluation.suites.images import IMAGE_SUITES

    say_line("Suites\n")
    say_line(describe_specs([*SUITES.values(), *IMAGE_SUITES.values(), heldout_kind()]))
    for kind, methods in METHODS.items():
        say_line(f"\nMethods for {kind}\n")
        say_line(describe_specs(methods.values()))
