"""The report of one run: its tables as CSV, its plots, and all of them as one Markdown file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lorify.data.tasks.published.prompts import BENCHMARKS_SOURCE
from lorify.evaluation.reports.forms import summarize_forms
from lorify.evaluation.reports.plots import write_plots
from lorify.evaluation.reports.summaries import (
    summarize,
    summarize_benchmarks,
    summarize_families,
    summarize_lengths,
    summarize_pairs,
)
from lorify.evaluation.reports.tables import Row, as_csv, as_markdown
from lorify.evaluation.runs.folder import write_text
from lorify.evaluation.runs.records import AnswerRecord, RunConfig

TABLE_NAME = "table.csv"
LENGTHS_NAME = "by-length.csv"
PAIRS_NAME = "pairs.csv"
FAMILIES_NAME = "by-family.csv"
FINDINGS_NAME = "findings.csv"
FORMS_NAME = "forms.csv"
BENCHMARKS_NAME = "benchmarks.csv"
REPORT_NAME = "report.md"
TITLES = {
    TABLE_NAME: "Methods",
    LENGTHS_NAME: "By length of the documents (tokens, upper end of the bin)",
    FAMILIES_NAME: "By family of tasks",
    BENCHMARKS_NAME: "Benchmarks (percent)",
    FORMS_NAME: "Relative to the same questions in the plain form",
    PAIRS_NAME: "Pairs of methods (score of the second minus the first, sign-flip test)",
    FINDINGS_NAME: "Findings",
}


def write_report(
    folder: Path, config: RunConfig, answers: Sequence[AnswerRecord], findings: Sequence[Row] = ()
) -> None:
    """Write the tables, plots and Markdown report of a run.

    Args:
        folder: the run folder.
        config: settings of the run.
        answers: all answers.
        findings: single numbers, as rows of `what` and `value`.
    """
    tables = {TABLE_NAME: summarize(answers)}
    if any(a.family for a in answers):
        tables[FAMILIES_NAME] = summarize_families(answers)
    else:
        tables[LENGTHS_NAME] = summarize_lengths(answers)
    if any(a.source == BENCHMARKS_SOURCE for a in answers):
        tables[BENCHMARKS_NAME] = summarize_benchmarks(answers)
    if forms := summarize_forms(answers):
        tables[FORMS_NAME] = forms
    tables[PAIRS_NAME] = summarize_pairs(answers)
    if findings:
        tables[FINDINGS_NAME] = list(findings)
    for name, rows in tables.items():
        write_text(folder / name, as_csv(rows))
    write_text(folder / REPORT_NAME, _as_page(config, tables, write_plots(folder, answers)))


def _as_page(config: RunConfig, tables: Mapping[str, Sequence[Row]], plots: Iterable[str]) -> str:
    hypernetwork = f"hypernetwork {config.hypernetwork}" if config.hypernetwork else "no hypernetwork"
    parts = [
        f"# {config.suite}",
        f"Base model {config.base} ({config.dtype}, {config.device}), {hypernetwork}.",
        "Scores are means over questions. `_low` and `_high` are 95% bootstrap intervals over documents or tasks, "
        "`contains` is the share of answers that contain an expected answer, `f1_relative` is F1 divided by that of "
        "the best method with documents in the prompt, and `score` uses the metric of the task. Times "
        "and sizes are medians over documents: `update` is the time to ingest the documents, `first_token` the time "
        "from a question to its first token. Memory is the peak of the whole process on a CPU, and the peak that "
        "PyTorch allocated on CUDA. `adapter` is the size of the weights, `kept` the size of what is stored with them "
        "for focusing and editing.",
    ]
    for name, rows in tables.items():
        if rows:
            parts += [f"## {TITLES[name]}", as_markdown(rows)]
    parts += [f"![{Path(name).stem}]({name})" for name in plots]
    return "\n\n".join(parts) + "\n"
