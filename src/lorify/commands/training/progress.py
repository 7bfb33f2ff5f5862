"""Progress of a training run: a bar in a terminal, lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar

from lorify.commands.terminal import LOG_EVERY_SECONDS, duration, stderr

if TYPE_CHECKING:
    from lorify.training.engine.loop import TrainingProgress


@contextmanager
def reporting(first_step: int, num_steps: int) -> Iterator[Callable[[TrainingProgress], None]]:
    """Give a function that reports each step of a run.

    Args:
        first_step: number of steps that are already done.
        num_steps: number of steps of the run.
    """
    console = stderr()
    if not console.is_terminal:
        yield _line_reporter(first_step, num_steps)
        return
    columns = (BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with ProgressBar(*columns, console=console) as bar:
        task = bar.add_task("", total=num_steps, completed=first_step)

        def show(progress: TrainingProgress) -> None:
            bar.update(task, completed=progress.step, description=describe_progress(progress))
            if heldout := describe_heldout(progress):
                bar.console.print(f"step {progress.step}: {heldout}", markup=False)

        yield show


def _line_reporter(first_step: int, num_steps: int) -> Callable[[TrainingProgress], None]:
    """Print a line every few seconds, and after each evaluation."""
    started, last = time.monotonic(), 0.0

    def show(progress: TrainingProgress) -> None:
        nonlocal last
        now = time.monotonic()
        heldout = describe_heldout(progress)
        if now - last < LOG_EVERY_SECONDS and progress.step < num_steps and not heldout:
            return
        last = now
        left = (now - started) / (progress.step - first_step) * (num_steps - progress.step)
        line = f"step {progress.step} of {num_steps}, {duration(left)} left: {describe_progress(progress)}"
        stderr().print(line + (f"; {heldout}" if heldout else ""), markup=False)

    return show


def describe_progress(progress: TrainingProgress) -> str:
    """Format the loss, exact match by kind, speed, share of time that data took and peak memory of a step."""
    exact = " ".join(f"{name} {value:.2f}" for name, value in _with_prefix(progress, "exact/"))
    parts = [f"loss {progress.metrics['loss']:.3f}", f"exact {exact}" if exact else ""]
    parts.append(f"{progress.tokens_per_second:,.0f} tokens/s" if progress.tokens_per_second else "")
    parts.append(f"{progress.steps_per_second:.2g} steps/s" if progress.steps_per_second else "")
    parts.append(f"data {progress.data_share:.0%}" if progress.steps_per_second else "")
    parts.append(f"{progress.peak_bytes / 2**30:.1f} GiB" if progress.peak_bytes else "")
    return ", ".join(part for part in parts if part)


def describe_heldout(progress: TrainingProgress) -> str:
    """Format the exact match on held-out data, or else the other metrics; empty if this step was not evaluated."""
    exact = " ".join(f"{name} {value:.2f}" for name, value in _with_prefix(progress, "heldout/exact/"))
    if exact:
        return f"held-out exact {exact}"
    others = " ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in _with_prefix(progress, "heldout/"))
    return f"held-out {others}" if others else ""


def _with_prefix(progress: TrainingProgress, prefix: str) -> list[tuple[str, float]]:
    """Metrics whose names begin with a prefix, in order, without it."""
    return sorted((n.removeprefix(prefix), value) for n, value in progress.metrics.items() if n.startswith(prefix))
