"""What the answers of a run say: tables as Markdown and CSV."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from lorify.evaluation.reports.plots import write_plots
from lorify.evaluation.runs.folder import Answer, RunConfig, write_text
from lorify.evaluation.scoring.metrics import MEGABYTE, bootstrap_interval, length_bin, mean, median, paired_test

K = TypeVar("K")
Row = dict[str, str | int | float | None]
"""One row of a table."""

TABLE_NAME = "table.csv"
LENGTHS_NAME = "by-length.csv"
PAIRS_NAME = "pairs.csv"
FAMILIES_NAME = "by-family.csv"
FINDINGS_NAME = "findings.csv"
REPORT_NAME = "report.md"
TITLES = {
    TABLE_NAME: "Methods",
    LENGTHS_NAME: "By length of the documents (tokens, up to)",
    FAMILIES_NAME: "By family of tasks",
    PAIRS_NAME: "Pairs of methods (score of the second minus the first, sign-flip test)",
    FINDINGS_NAME: "In short",
}
REFERENCE_METHOD = "icl"


def summarize(answers: Sequence[Answer]) -> list[Row]:
    """One row a source, condition and method: scores with 95% intervals, and what it took (medians over cases).

    `f1_relative` is the mean F1 divided by that of `icl` on the same questions. Tasks have a `score`, each by its own
    metric, and `seed_deviation`, the standard deviation of the seeds' means.
    """
    rows: list[Row] = []
    for (source, condition), group in _grouped(answers, lambda a: (a.source, a.condition)).items():
        by_method = _grouped(group, lambda a: a.method)
        reference = mean([a.f1 for a in by_method[REFERENCE_METHOD]]) if REFERENCE_METHOD in by_method else None
        for method, chosen in by_method.items():
            f1 = mean([a.f1 for a in chosen])
            rows.append(
                {"source": source, "condition": condition, "method": method, "questions": len(chosen)}
                | _scores(chosen)
                | _task_scores(chosen)
                | {"f1_relative": round(f1 / reference, 3) if reference else None}
                | _costs(chosen)
            )
    return rows


def summarize_lengths(answers: Sequence[Answer], *, exact_lengths: bool = False) -> list[Row]:
    """One row a length and method.

    Args:
        answers: the answers.
        exact_lengths: keep the documents' lengths apart; else they are put in bins, powers of two of their tokens,
            named by their upper ends.
    """
    rows: list[Row] = []
    groups = _grouped(answers, lambda a: (a.length_tokens if exact_lengths else length_bin(a.length_tokens), a.method))
    for (length, method), chosen in sorted(groups.items()):
        rows.append({"length": length, "method": method, "questions": len(chosen)} | _scores(chosen))
    return rows


def summarize_families(answers: Sequence[Answer]) -> list[Row]:
    """One row a family of tasks and method."""
    rows: list[Row] = []
    for (family, method), chosen in sorted(_grouped(answers, lambda a: (a.family, a.method)).items()):
        scores = {key: value for key, value in _task_scores(chosen).items() if not key.startswith("seed")}
        rows.append({"family": family, "method": method, "questions": len(chosen)} | scores)
    return rows


def summarize_pairs(answers: Sequence[Answer]) -> list[Row]:
    """One row a source and pair of methods: the difference in score on the questions that both answered, and whether
    chance explains it (sign-flip test over cases, or tasks). The score is F1, or a task's own metric.
    """
    rows: list[Row] = []
    for source, group in _grouped(answers, lambda a: a.source).items():
        by_method = {m: {a.key: a for a in chosen} for m, chosen in _grouped(group, lambda a: a.method).items()}
        methods = list(by_method)
        for i, first in enumerate(methods):
            for second in methods[i + 1 :]:
                common = [key for key in by_method[first] if key in by_method[second]]
                if common:
                    pairs = [(by_method[first][key], by_method[second][key]) for key in common]
                    rows.append({"source": source, "first": first, "second": second} | paired_row(pairs))
    return rows


def paired_row(pairs: Sequence[tuple[Answer, Answer]]) -> Row:
    """Difference in score between two answers to each of some questions, second minus first."""
    first, second = [a.score for a, _ in pairs], [b.score for _, b in pairs]
    result = paired_test(first, second, groups=[a.group for a, _ in pairs])
    return {
        "questions": len(pairs),
        "score_first": round(mean(first), 3),
        "score_second": round(mean(second), 3),
        "difference": round(result.difference, 3),
        "low": round(result.low, 3),
        "high": round(result.high, 3),
        "p": round(result.p_value, 4),
    }


def write_report(folder: Path, config: RunConfig, answers: Sequence[Answer], findings: Sequence[Row] = ()) -> None:
    """Write the tables of a run as CSV, its plots, and all of it as one Markdown file.

    Args:
        folder: the run's folder.
        config: what was asked of whom.
        answers: all answers.
        findings: single numbers, each with `what` it is and its `value`.
    """
    tables = {TABLE_NAME: summarize(answers)}
    if any(a.family for a in answers):
        tables[FAMILIES_NAME] = summarize_families(answers)
    else:
        tables[LENGTHS_NAME] = summarize_lengths(answers)
    tables[PAIRS_NAME] = summarize_pairs(answers)
    if findings:
        tables[FINDINGS_NAME] = list(findings)
    for name, rows in tables.items():
        write_text(folder / name, as_csv(rows))
    write_text(folder / REPORT_NAME, _markdown_report(config, tables, write_plots(folder, answers)))


def as_csv(rows: Sequence[Row]) -> str:
    """Rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_markdown(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as a Markdown table; columns without any value are left out."""
    columns = [key for key in rows[0] if any(row[key] not in (None, "") for row in rows)] if rows else []
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        lines.append("| " + " | ".join("" if row[key] is None else str(row[key]) for key in columns) + " |")
    return "\n".join(lines)


def _markdown_report(config: RunConfig, tables: Mapping[str, Sequence[Row]], plots: Iterable[str]) -> str:
    hypernetwork = f"hypernetwork {config.hypernetwork}" if config.hypernetwork else "no hypernetwork"
    parts = [
        f"# {config.suite}",
        f"Base {config.base} ({config.dtype}, {config.device}), {hypernetwork}.",
        "Scores are means over questions; `_low` and `_high` are 95% bootstrap intervals over documents or tasks, "
        f"`f1_relative` is F1 over that of `{REFERENCE_METHOD}`, `score` is by a task's own metric. Times and sizes "
        "are medians over documents: `update` is taking the documents in, `first_token` is from a question to its "
        "first token. Memory is the peak of the whole process on a CPU, and what PyTorch allocated on CUDA. "
        "`adapter` is the size of the weights, `kept` of what is kept of the documents beside them.",
    ]
    for name, rows in tables.items():
        if rows:
            parts += [f"## {TITLES[name]}", as_markdown(rows)]
    parts += [f"![{Path(name).stem}]({name})" for name in plots]
    return "\n\n".join(parts) + "\n"


def _scores(answers: Sequence[Answer]) -> Row:
    groups = [a.group for a in answers]
    exact_low, exact_high = bootstrap_interval([a.exact for a in answers], groups=groups)
    f1_low, f1_high = bootstrap_interval([a.f1 for a in answers], groups=groups)
    return {
        "exact": round(mean([a.exact for a in answers]), 3),
        "exact_low": round(exact_low, 3),
        "exact_high": round(exact_high, 3),
        "f1": round(mean([a.f1 for a in answers]), 3),
        "f1_low": round(f1_low, 3),
        "f1_high": round(f1_high, 3),
        "rouge_l": round(mean([a.rouge_l for a in answers]), 3),
        "rouge_l_recall": round(mean([a.rouge_l_recall for a in answers]), 3),
    }


def _task_scores(answers: Sequence[Answer]) -> Row:
    """Scores by the tasks' own metrics; nothing where there are no tasks."""
    row: Row = dict.fromkeys(("tasks", "seeds", "score", "score_low", "score_high", "seed_deviation"))
    if not any(a.family for a in answers):
        return row
    low, high = bootstrap_interval([a.score for a in answers], groups=[a.group for a in answers])
    seeds = [mean([a.score for a in chosen]) for chosen in _grouped(answers, lambda a: a.seed).values()]
    return row | {
        "tasks": len({a.group for a in answers}),
        "seeds": len(seeds),
        "score": round(mean([a.score for a in answers]), 3),
        "score_low": round(low, 3),
        "score_high": round(high, 3),
        "seed_deviation": round(statistics.stdev(seeds), 4) if len(seeds) > 1 else None,
    }


def _costs(answers: Sequence[Answer]) -> Row:
    updates = [a for a in answers if a.index == 0]  # one a case
    timed = [a for a in answers if a.first_token_seconds is not None]
    return {
        "update_seconds": median([a.update_seconds for a in updates], 3),
        "first_token_seconds": median([a.first_token_seconds for a in timed], 3),
        "seconds_per_token": median([a.seconds_per_token for a in timed], 4),
        "update_peak_mb": median([a.update_peak_bytes for a in updates], 0, MEGABYTE),
        "answer_peak_mb": median([a.answer_peak_bytes for a in timed], 0, MEGABYTE),
        "adapter_mb": median([a.adapter_bytes for a in updates], 2, MEGABYTE),
        "kept_mb": median([a.kept_bytes for a in updates], 2, MEGABYTE),
        "kv_cache_mb": median([a.kv_cache_bytes for a in timed], 2, MEGABYTE),
    }


def _grouped(answers: Iterable[Answer], key: Callable[[Answer], K]) -> dict[K, list[Answer]]:
    groups: dict[K, list[Answer]] = {}
    for answer in answers:
        groups.setdefault(key(answer), []).append(answer)
    return groups
