"""Plots of a run: score by update time, score and memory by length, heat maps of needles by length and depth."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lorify.evaluation.runs.records import AnswerRecord
from lorify.evaluation.scoring.metrics import MEGABYTE, bootstrap_interval, length_bin, mean, median

QUALITY_UPDATE_NAME = "quality-update.png"
QUALITY_LENGTH_NAME = "quality-length.png"
QUALITY_METHODS_NAME = "quality-methods.png"
MEMORY_LENGTH_NAME = "memory-length.png"
MIN_SECONDS = 1e-4  # makes methods without an update visible on a logarithmic axis


def write_plots(folder: Path, answers: Sequence[AnswerRecord]) -> list[str]:
    """Write the plots for which the answers have data.

    Returns:
        Names of the files written.
    """
    plot_quality_against_update(answers, folder / QUALITY_UPDATE_NAME)
    names = [QUALITY_UPDATE_NAME]
    if any(a.family for a in answers):
        rows = [(method, *_interval([a for a in answers if a.method == method])) for method in _methods(answers)]
        plot_bars(rows, folder / QUALITY_METHODS_NAME, "score by the tasks' own metrics")
        return [*names, QUALITY_METHODS_NAME]
    plot_against_length(answers, folder / QUALITY_LENGTH_NAME, "token F1", lambda chosen: mean([a.f1 for a in chosen]))
    names.append(QUALITY_LENGTH_NAME)
    if any(a.answer_peak_bytes is not None for a in answers):
        plot_against_length(answers, folder / MEMORY_LENGTH_NAME, "peak memory (MB)", _peak_megabytes)
        names.append(MEMORY_LENGTH_NAME)
    for method in dict.fromkeys(a.method for a in answers if a.depth_bin is not None):
        name = f"heat-map-{re.sub('[^A-Za-z0-9.]+', '-', method)}.png"
        cells = [
            (a.length_tokens, a.depth_bin, a.exact) for a in answers if a.method == method and a.depth_bin is not None
        ]
        plot_heat_map(cells, folder / name)
        names.append(name)
    return names


def plot_quality_against_update(answers: Sequence[AnswerRecord], path: Path) -> None:
    """Plot the score (token F1, or the task's metric) with its 95% interval against the median update time."""
    figure, axes = _new_figure()
    for method in _methods(answers):
        chosen = [a for a in answers if a.method == method]
        score, low, high = _interval(chosen)
        seconds = max(MIN_SECONDS, median([a.update_seconds for a in chosen], 6) or 0.0)
        axes.errorbar(seconds, score, yerr=[[score - low], [high - score]], fmt="o", capsize=3, label=method)
    axes.set_xscale("log")
    axes.set_xlabel("update (seconds)")
    axes.set_ylabel("score" if any(a.family for a in answers) else "token F1")
    axes.set_ylim(-0.03, 1.03)
    figure.legend(loc="outside upper center", ncols=2)
    _save(figure, path)


def plot_against_length(
    answers: Sequence[AnswerRecord], path: Path, label: str, value: Callable[[Sequence[AnswerRecord]], float | None]
) -> None:
    """Plot a quantity against the length of the documents, one line for each method.

    Args:
        answers: the answers.
        path: PNG to write.
        label: label of the quantity.
        value: computes the quantity from the answers of one length bin; None leaves the bin out.
    """
    figure, axes = _new_figure()
    for method in _methods(answers):
        chosen = [a for a in answers if a.method == method]
        bins = sorted({length_bin(a.length_tokens) for a in chosen})
        heights = [(length, value([a for a in chosen if length_bin(a.length_tokens) == length])) for length in bins]
        points = [(length, height) for length, height in heights if height is not None]
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=method)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("length of the documents (tokens, upper end of the bin)")
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    figure.legend(loc="outside upper center", ncols=2)
    _save(figure, path)


def plot_bars(rows: Sequence[tuple[str, float, float, float]], path: Path, label: str) -> None:
    """Plot one bar for each row, with its interval.

    Args:
        rows: (name, value, lower end, upper end), from top to bottom.
        path: PNG to write.
        label: label of the values.
    """
    figure, axes = _new_figure((6.4, 1.2 + 0.4 * len(rows)))
    names, values, lows, highs = zip(*rows, strict=True)
    errors = [
        [v - low for v, low in zip(values, lows, strict=True)],
        [h - v for v, h in zip(values, highs, strict=True)],
    ]
    axes.barh(range(len(rows)), values, xerr=errors, capsize=3, color="#8fb1d0")
    axes.set_yticks(range(len(rows)), names)
    axes.invert_yaxis()
    axes.set_xlabel(label)
    axes.set_xlim(0, 1)
    _save(figure, path)


def plot_scaling(curves: Mapping[str, Sequence[tuple[int, float, float, float]]], path: Path) -> None:
    """Plot scores with their intervals against the number of training tasks, one line for each method.

    Args:
        curves: (training tasks, score, lower end, upper end) by method.
        path: PNG to write.
    """
    figure, axes = _new_figure()
    for method, points in curves.items():
        if points:
            tasks, scores, lows, highs = zip(*sorted(points), strict=True)
            (line,) = axes.plot(tasks, scores, marker="o", label=method)
            axes.fill_between(tasks, lows, highs, alpha=0.15, color=line.get_color())
    axes.set_xscale("log", base=2)
    axes.set_xlabel("training tasks")
    axes.set_ylabel("score")
    axes.set_ylim(0, 1)
    figure.legend(loc="outside upper center", ncols=2)
    _save(figure, path)


def plot_heat_map(cells: Sequence[tuple[int, int, float]], path: Path) -> None:
    """Plot exact match by length and depth.

    Args:
        cells: (length in tokens, depth bin, score) of each needle.
        path: PNG to write.
    """
    lengths = sorted({length for length, _, _ in cells})
    bins = sorted({bin_ for _, bin_, _ in cells})
    grid = [
        [_mean_or_nan([score for x, y, score in cells if (x, y) == (length, bin_)]) for length in lengths]
        for bin_ in bins
    ]
    figure, axes = _new_figure((1.5 + 0.8 * len(lengths), 1.5 + 0.35 * len(bins)))
    image = axes.imshow(grid, vmin=0, vmax=1, cmap="RdYlGn", aspect="auto")
    axes.set_xticks(range(len(lengths)), [f"{length:,}" for length in lengths], rotation=45)
    axes.set_yticks(range(len(bins)), [f"{100 * (b + 0.5) / len(bins):.0f}%" for b in bins])
    axes.set_xlabel("length of the document (tokens)")
    axes.set_ylabel("depth of the needle")
    figure.colorbar(image, ax=axes, label="exact match")
    _save(figure, path)


def _methods(answers: Sequence[AnswerRecord]) -> list[str]:
    return list(dict.fromkeys(a.method for a in answers))


def _interval(answers: Sequence[AnswerRecord]) -> tuple[float, float, float]:
    """Compute the mean score and its 95% interval, widened to contain the mean."""
    score = mean([a.score for a in answers])
    low, high = bootstrap_interval([a.score for a in answers], groups=[a.group for a in answers])
    return score, min(low, score), max(high, score)


def _mean_or_nan(values: Sequence[float]) -> float:
    return mean(values) if values else float("nan")


def _peak_megabytes(answers: Sequence[AnswerRecord]) -> float | None:
    """Compute the median over answers of the peak memory of ingesting and answering."""
    return median(
        [max(a.answer_peak_bytes, a.update_peak_bytes or 0) for a in answers if a.answer_peak_bytes], 3, MEGABYTE
    )


def _new_figure(size: tuple[float, float] = (6.4, 4.2)) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # imported here because it is slow to import
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _save(figure: Any, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.png")
    try:
        figure.savefig(temporary, dpi=120)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
