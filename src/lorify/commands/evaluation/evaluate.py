"""Evaluating a suite and printing the scores: what the commands of `lorify eval` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lorify.commands.options import load_model
from lorify.commands.tables import print_table
from lorify.commands.terminal import print_json, print_line, show_progress, show_spinner

if TYPE_CHECKING:
    from lorify.evaluation.reports.tables import Row
    from lorify.evaluation.runs.records import AnswerRecord, RunConfig
    from lorify.evaluation.suites.api import Suite

SHOWN_COLUMNS = (
    "source,condition,method,questions,tasks,score,score_low,score_high,score_relative,precision,recall,seed_deviation,"
    "exact,f1,f1_low,f1_high,contains,"
    "rouge_l,rouge_l_recall,f1_relative,update_seconds,first_token_seconds,seconds_per_token,answer_peak_mb"
).split(",")
# Tasks have a score by their own metric; these columns would only repeat it in other metrics.
COLUMNS_HIDDEN_FOR_TASKS = ("source", "exact", "f1", "f1_low", "f1_high", "contains", "rouge_l", "rouge_l_recall")


@dataclass(frozen=True)
class Run:
    """A finished evaluation.

    Attributes:
        config: what was evaluated, and how.
        answers: all answers.
        findings: single numbers, as rows of `what` and `value`.
    """

    config: RunConfig
    answers: Sequence[AnswerRecord]
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
    """Answer a suite by several methods, and write the run folder if one is given.

    Args:
        suite: the suite.
        methods: the methods as text; None: the defaults of the suite.
        output: run folder; an interrupted run in it is continued.
        base: name of the base model.
        hypernetwork: folder of the hypernetwork for documents.
        task_hypernetwork: folder of the hypernetwork for tasks.
        timed: ask the first question of each case alone and time it.
        max_tokens: maximum answer length in tokens; None: that of the suite.
    """
    from lorify.evaluation.methods.registry import parse_methods
    from lorify.evaluation.reports.findings import summarize_findings
    from lorify.evaluation.reports.run_report import write_report
    from lorify.evaluation.runs.folder import check_run_folder, open_run
    from lorify.evaluation.runs.records import run_config
    from lorify.evaluation.runs.runner import answer_cases

    chosen = parse_methods(methods or suite.default_methods, suite.kind)
    if output is not None:
        check_run_folder(output)
    model = load_model(base, hypernetwork, task_hypernetwork=task_hypernetwork)
    max_new_tokens = max_tokens or suite.max_new_tokens
    with show_spinner("collecting questions"):
        cases = suite.build(model)
    config = run_config(model, suite.label, cases, chosen, max_new_tokens=max_new_tokens, timed=timed)
    done = open_run(output, config) if output is not None else []
    with show_progress("answering", "answers") as advance:
        answers = answer_cases(
            model, cases, chosen, max_new_tokens=max_new_tokens, timed=timed, folder=output, done=done, report=advance
        )
    findings = summarize_findings(answers, model, chosen)
    if output is not None:
        write_report(output, config, answers, findings)
    return Run(config, answers, findings)


def print_scores(run: Run, as_json: bool) -> None:
    """Print the scores and findings of a run."""
    from lorify.data.tasks.published.prompts import BENCHMARKS_SOURCE
    from lorify.evaluation.reports.summaries import summarize, summarize_benchmarks

    rows = summarize(run.answers)
    benchmarks = [answer for answer in run.answers if answer.source == BENCHMARKS_SOURCE]
    if as_json:
        found: dict[str, object] = (
            {"findings": {str(row["what"]): row["value"] for row in run.findings}} if run.findings else {}
        )
        found |= {"benchmarks": summarize_benchmarks(benchmarks)} if benchmarks else {}
        print_json({"config": run.config.model_dump(mode="json"), "scores": rows, **found})
        return
    hidden = COLUMNS_HIDDEN_FOR_TASKS if any(row["tasks"] for row in rows) else ()
    shown = [key for key in SHOWN_COLUMNS if key not in hidden and any(row[key] not in (None, "") for row in rows)]
    print_table([{key: row[key] for key in shown} for row in rows])
    if benchmarks:
        print_table(summarize_benchmarks(benchmarks))
    for row in run.findings:
        print_line(f"{str(row['what']).replace('_', ' ')}: {row['value']}")
