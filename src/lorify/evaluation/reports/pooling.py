"""Several runs in one table: what seeds do to the scores, and what the number of training tasks does."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lorify.errors import EvaluationError
from lorify.evaluation.reports.plots import plot_scaling
from lorify.evaluation.reports.tables import Row, as_csv, as_markdown
from lorify.evaluation.runs.folder import Answer, RunConfig, load_answers, load_config, write_text
from lorify.evaluation.scoring.metrics import mean

POOLED_NAME = "pooled.csv"
REPORT_NAME = "pooled.md"
SCALING_NAME = "scaling.png"
RESAMPLES = 1000


def pool_runs(folders: Sequence[Path]) -> list[Row]:
    """Scores by method over runs that differ in their seeds: of evaluation, or of the training of the hypernetwork.

    Runs whose hypernetworks were trained on different numbers of tasks are kept apart.

    Args:
        folders: folders of runs with answers.

    Returns:
        One row a number of training tasks and method: mean score over all answers; its 95% bootstrap interval, for
        which both runs and documents (or tasks) are drawn again; and the standard deviation of the runs' means.

    Raises:
        EvaluationError: if a folder holds no answers of a run, or the runs are of different bases.
    """
    configs = {folder: load_config(folder) for folder in folders}
    first = next(iter(configs))
    for folder, config in configs.items():
        if config.base_digest != configs[first].base_digest:
            raise EvaluationError(
                f"{first} is a run of base {configs[first].base} and {folder} of {config.base}; pool runs of one base"
            )
    pooled: dict[tuple[int, str], list[list[Answer]]] = {}
    for folder, config in configs.items():
        for method, answers in _by_method(folder).items():
            pooled.setdefault((_tasks(config), method), []).append(answers)
    return [
        {"training_tasks": tasks or None, "method": method, "runs": len(runs), "questions": sum(map(len, runs))}
        | _scores(runs)
        for (tasks, method), runs in sorted(pooled.items(), key=lambda entry: entry[0][0])
    ]


def write_pooled(folder: Path, rows: Sequence[Row]) -> None:
    """Write the table as CSV and Markdown, and the scores against the number of training tasks where it differs.

    Raises:
        EvaluationError: if the folder cannot be written.
    """
    curves = {
        method: [row for row in rows if row["method"] == method and row["training_tasks"] is not None]
        for method in dict.fromkeys(str(row["method"]) for row in rows)
    }
    parts = ["# Runs together", _EXPLANATION, as_markdown(rows)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(len(points) > 1 for points in curves.values()):
            plot_scaling({method: _points(points) for method, points in curves.items()}, folder / SCALING_NAME)
            parts.append(f"![Score by number of training tasks]({SCALING_NAME})")
        write_text(folder / POOLED_NAME, as_csv(rows))
        write_text(folder / REPORT_NAME, "\n\n".join(parts) + "\n")
    except OSError as error:
        raise EvaluationError(f"output {folder} cannot be written ({error.strerror}); give a folder with -o") from error


_EXPLANATION = (
    "Means over all answers. `low` and `high` are a 95% bootstrap interval in which both runs and documents (or tasks) "
    "are drawn again; `run_deviation` is the standard deviation of the runs' means."
)


def _by_method(folder: Path) -> dict[str, list[Answer]]:
    answers = load_answers(folder)
    if not answers:
        raise EvaluationError(f"{folder} has no answers; run its evaluation again")
    found: dict[str, list[Answer]] = {}
    for answer in answers:
        found.setdefault(answer.method, []).append(answer)
    return found


def _tasks(config: RunConfig) -> int:
    """Number of training tasks; 0 where it is not known."""
    return config.training_tasks or 0


def _scores(runs: Sequence[Sequence[Answer]]) -> Row:
    groups = {group: i for i, group in enumerate(dict.fromkeys(a.group for run in runs for a in run))}
    sums, counts = np.zeros((2, len(runs), len(groups)))
    for row, run in enumerate(runs):
        for answer in run:
            sums[row, groups[answer.group]] += answer.score
            counts[row, groups[answer.group]] += 1
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(RESAMPLES):
        cells = np.ix_(rng.integers(len(runs), size=len(runs)), rng.integers(len(groups), size=len(groups)))
        if counts[cells].sum():  # runs of other documents may leave nothing
            drawn.append(sums[cells].sum() / counts[cells].sum())
    low, high = np.quantile(drawn, [0.025, 0.975])
    means = [mean([a.score for a in run]) for run in runs]
    return {
        "score": round(float(sums.sum() / counts.sum()), 3),
        "low": round(float(low), 3),
        "high": round(float(high), 3),
        "run_deviation": round(statistics.stdev(means), 4) if len(means) > 1 else None,
    }


def _points(rows: Sequence[Mapping[str, object]]) -> list[tuple[int, float, float, float]]:
    def number(row: Mapping[str, object], key: str) -> float:
        return float(str(row[key]))

    return [(int(number(r, "training_tasks")), number(r, "score"), number(r, "low"), number(r, "high")) for r in rows]
