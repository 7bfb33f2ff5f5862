"""Asking a suite by methods: what the commands of `eval` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lorify.commands.options import load_model
from lorify.commands.tables import say_table
from lorify.commands.terminal import counting, say_json, say_line, working

if TYPE_CHECKING:
    from lorify.evaluation.methods.api import Method
    from lorify.evaluation.reports.tables import Row
    from lorify.evaluation.runs.folder import Answer, RunConfig
    from lorify.evaluation.suites.cases import Suite
    from lorify.facade import Lorify

Seed = Annotated[int, typer.Option("--seed", help="Seed of what is drawn.")]
RunDir = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder for every answer, tables and plots.")
]
Methods = Annotated[
    str | None,
    typer.Option("--methods", "-m", metavar="LIST", help="How to answer: METHOD[:option=value...],METHOD..."),
]

ALL_QUESTIONS = 1_000_000
DEFAULT_METHODS = {
    "documents": "none,icl,rag,adapter",
    "images": "adapter,none",
    "tasks": "none,description,three_shot,adapter,mismatched,random",
}
SHOWN_COLUMNS = (
    "source,condition,method,questions,tasks,score,score_low,score_high,seed_deviation,exact,f1,f1_low,f1_high,rouge_l,"
    "f1_relative,update_seconds,first_token_seconds,seconds_per_token,answer_peak_mb"
).split(",")
TASK_COLUMNS_LEFT_OUT = ("source", "exact", "f1", "f1_low", "f1_high", "rouge_l")


@dataclass(frozen=True)
class Run:
    """What came out of asking a suite.

    Attributes:
        config: what was asked of whom.
        answers: all answers.
        findings: single numbers, each with `what` it is and its `value`.
    """

    config: RunConfig
    answers: Sequence[Answer]
    findings: Sequence[Row]


def evaluate_suite(
    suite: Suite,
    methods: str | None,
    output: Path | None,
    base: str | None,
    hypernetwork: Path | None = None,
    *,
    task_hypernetwork: Path | None = None,
    timed: bool = False,
    max_tokens: int | None = None,
) -> Run:
    """Ask a suite by methods, and write the folder of the run where one is given."""
    from lorify.evaluation.methods.documents import parse_methods
    from lorify.evaluation.reports.tables import summarize_findings, write_report
    from lorify.evaluation.runs.folder import check_run_folder, open_run, run_config
    from lorify.evaluation.runs.runner import answer_cases

    kinds = parse_methods(methods or DEFAULT_METHODS[suite.kind], suite.kind)
    if output is not None:
        check_run_folder(output)
    model = load_model(base, hypernetwork, task_hypernetwork=task_hypernetwork)
    max_new_tokens = max_tokens or suite.max_new_tokens
    with working("collecting questions"):
        cases = suite.build(model)
    config = run_config(model, suite.label, cases, kinds, max_new_tokens=max_new_tokens, timed=timed)
    done = open_run(output, config) if output is not None else []
    with counting("answering", "questions") as advance:
        answers = answer_cases(
            model, cases, kinds, max_new_tokens=max_new_tokens, timed=timed, folder=output, done=done, report=advance
        )
    findings: list[Row] = []
    if suite.kind == "tasks":
        findings = [*summarize_findings(answers), *_compression(model, kinds)]
    if output is not None:
        write_report(output, config, answers, findings)
    return Run(config, answers, findings)


def say_scores(run: Run, as_json: bool) -> None:
    """Write the scores of a run."""
    from lorify.evaluation.reports.tables import summarize

    rows = summarize(run.answers)
    if as_json:
        found = {"findings": {str(row["what"]): row["value"] for row in run.findings}} if run.findings else {}
        say_json({"config": run.config.model_dump(mode="json"), "scores": rows, **found})
        return
    left_out = TASK_COLUMNS_LEFT_OUT if any(row["tasks"] for row in rows) else ()
    shown = [key for key in SHOWN_COLUMNS if key not in left_out and any(row[key] not in (None, "") for row in rows)]
    say_table([{key: row[key] for key in shown} for row in rows])
    for row in run.findings:
        say_line(f"{str(row['what']).replace('_', ' ')}: {row['value']}")


def _compression(model: Lorify, methods: Sequence[Method]) -> list[Row]:
    """How much smaller the task hypernetwork is than the library of the tasks' own LoRAs, where both answered."""
    from lorify.evaluation.methods.tasks import OwnLora, measure_compression
    from lorify.hypernets.checkpoint import WEIGHTS_NAME
    from lorify.hypernets.text_to_lora.library import load_library

    library = next((method.path for method in methods if isinstance(method, OwnLora)), None)
    if library is None or model.task_hypernetwork is None or not any(method.needs == "tasks" for method in methods):
        return []
    size = (model.task_hypernetwork / WEIGHTS_NAME).stat().st_size
    measured = measure_compression(load_library(library).adapters.values(), size)
    return [{"what": what, "value": value} for what, value in measured.items()]
