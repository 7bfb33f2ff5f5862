"""Terminal output of the commands: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeftColumn

LOG_EVERY_SECONDS = 10.0


def stderr() -> Console:
    """Return the console for progress and errors; it is colored only on a terminal."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def stdout() -> Console:
    """Return the console for results; it is colored only on a terminal."""
    return Console(highlight=False, soft_wrap=True)


def print_json(document: object) -> None:
    """Print a result as JSON."""
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def print_line(text: str) -> None:
    """Print one line of a result."""
    sys.stdout.write(text + "\n")


def quiet_libraries() -> None:
    """Suppress warnings and log messages of libraries; not called with `--debug`."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.simplefilter("ignore")


@contextmanager
def show_spinner(description: str) -> Iterator[None]:
    """Show a spinner with the elapsed time while the `with` block runs; nothing if stderr is not a terminal.

    Args:
        description: what is being done, such as `loading smollm2-135m`.
    """
    console = stderr()
    if not console.is_terminal:
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        progress.add_task(description, total=None)
        yield


@contextmanager
def show_progress(description: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar with the remaining time; if stderr is not a terminal, print a line every few seconds.

    Args:
        description: what is being done, such as `answering`.
        unit: what is counted, such as `tokens`.

    Yields:
        A function to call with the number of units done since the last call and the approximate total.
    """
    console = stderr()
    if not console.is_terminal:
        yield _line_counter(console, description, unit)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeLeftColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(description, total=None)

        def advance(units: int, total: int) -> None:
            progress.advance(task, units)
            progress.update(task, total=max(total, progress.tasks[0].completed))

        yield advance


def _line_counter(console: Console, description: str, unit: str) -> Callable[[int, int], None]:
    started = last = time.monotonic()
    done = 0

    def advance(units: int, total: int) -> None:
        nonlocal done, last
        done += units
        now = time.monotonic()
        if now - last >= LOG_EVERY_SECONDS:
            last = now
            left = (now - started) / max(done, 1) * max(total - done, 0)
            console.print(f"{description}: {done} of {max(done, total)} {unit}, {duration(left)} left", markup=False)

    return advance


def duration(seconds: float) -> str:
    """Format a duration for people: `0.41 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds) // 60
    return f"{minutes} min {round(seconds) % 60} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def write_stream(pieces: Iterable[str]) -> str:
    """Print the pieces of an answer as they arrive, end the line, and return the whole answer."""
    text = ""
    for piece in pieces:
        # The first token of an answer often starts with a space.
        shown = piece if text.strip() else piece.lstrip()
        text += piece
        sys.stdout.write(shown)
        sys.stdout.flush()
    sys.stdout.write("\n")
    return text.strip()
