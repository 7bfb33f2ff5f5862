"""Several runs in one table: scores over seeds, and scores by number of training tasks."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lorify.errors import EvaluationError
from lorify.evaluation.reports.plots import plot_scaling
from lorify.evaluation.reports.summaries import group_answers
from lorify.evaluation.reports.tables import Row, as_csv, as_markdown
from lorify.evaluation.runs.folder import load_answers, load_config, write_text
from lorify.evaluation.runs.records import AnswerRecord
from lorify.evaluation.scoring.metrics import mean

POOLED_NAME = "pooled.csv"
REPORT_NAME = "pooled.md"
SCALING_NAME = "scaling.png"
RESAMPLES = 1000
EXPLANATION = (
    "Scores are means over all answers. `low` and `high` are a 95% bootstrap interval that resamples both runs and "
    "documents (or tasks). `run_deviation` is the standard deviation of the means of the runs."
)


def pool_runs(folders: Sequence[Path]) -> list[Row]:
    """Pool runs that differ in the seed of the evaluation or of the hypernetwork's training.

    Runs whose hypernetworks were trained on different numbers of tasks stay separate.

    Args:
        folders: run folders with answers.

    Returns:
        One row for each number of training tasks and method: the mean score over all answers; its 95% bootstrap
        interval, which resamples both runs and documents (or tasks); the standard deviation of the means of the runs.

    Raises:
        EvaluationError: if a folder holds no answers, or the runs have different base models.
    """
    configs = {folder: load_config(folder) for folder in folders}
    first = next(iter(configs))
    for folder, config in configs.items():
        if config.base_digest != configs[first].base_digest:
            raise EvaluationError(
                f"{first} is a run of base {configs[first].base} and {folder} of {config.base}; pool runs of one base"
            )
    pooled: dict[tuple[int, str], list[list[AnswerRecord]]] = {}
    for folder, config in configs.items():
        for method, answers in _answers_by_method(folder).items():
            pooled.setdefault((config.training_tasks or 0, method), []).append(answers)
    return [
        {"training_tasks": tasks or None, "method": method, "runs": len(runs), "questions": sum(map(len, runs))}
        | _scores(runs)
        for (tasks, method), runs in sorted(pooled.items(), key=lambda entry: entry[0][0])
    ]


def write_pooled(folder: Path, rows: Sequence[Row]) -> None:
    """Write the table as CSV and Markdown, and a plot of the scores if the number of training tasks varies.

    Raises:
        EvaluationError: if the folder cannot be written.
    """
    curves = {
        method: [row for row in rows if row["method"] == method and row["training_tasks"] is not None]
        for method in dict.fromkeys(str(row["method"]) for row in rows)
    }
    parts = ["# Pooled runs", EXPLANATION, as_markdown(rows)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(len(points) > 1 for points in curves.values()):
            plot_scaling({method: _points(points) for method, points in curves.items()}, folder / SCALING_NAME)
            parts.append(f"![Score by number of training tasks]({SCALING_NAME})")
        write_text(folder / POOLED_NAME, as_csv(rows))
        write_text(folder / REPORT_NAME, "\n\n".join(parts) + "\n")
    except OSError as error:
        raise EvaluationError(f"output {folder} cannot be written ({error.strerror}); give a folder with -o") from error


def _answers_by_method(folder: Path) -> dict[str, list[AnswerRecord]]:
    answers = load_answers(folder)
    if not answers:
        raise EvaluationError(f"{folder} has no answers; run its evaluation again")
    return group_answers(answers, lambda a: a.method)


def _scores(runs: Sequence[Sequence[AnswerRecord]]) -> Row:
    groups = {group: i for i, group in enumerate(dict.fromkeys(a.group for run in runs for a in run))}
    sums, counts = np.zeros((2, len(runs), len(groups)))
    for row, run in enumerate(runs):
        for answer in run:
            sums[row, groups[answer.group]] += answer.score
            counts[row, groups[answer.group]] += 1
    low, high = _interval(sums, counts)
    means = [mean([a.score for a in run]) for run in runs]
    return {
        "score": round(float(sums.sum() / counts.sum()), 3),
        "low": round(low, 3),
        "high": round(high, 3),
        "run_deviation": round(statistics.stdev(means), 4) if len(means) > 1 else None,
    }


def _interval(sums: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Compute the 95% bootstrap interval of the mean from sums and counts `[runs, groups]`, resampling both axes."""
    num_runs, num_groups = sums.shape
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(RESAMPLES):
        cells = np.ix_(rng.integers(num_runs, size=num_runs), rng.integers(num_groups, size=num_groups))
        if counts[cells].sum():  # 0 where runs on different documents share none of the drawn ones
            drawn.append(sums[cells].sum() / counts[cells].sum())
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def _points(rows: Sequence[Mapping[str, object]]) -> list[tuple[int, float, float, float]]:
    def number(row: Mapping[str, object], key: str) -> float:
        return float(str(row[key]))

    return [(int(number(r, "training_tasks")), number(r, "score"), number(r, "low"), number(r, "high")) for r in rows]
