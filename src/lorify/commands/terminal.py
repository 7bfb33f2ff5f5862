"""Terminal output of the commands: results on standard output, progress and errors on standard error."""

from __future__ import annotations

import json
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeftColumn

LOG_EVERY_SECONDS = 10.0


# Control characters but tab and line break, those that change the direction of text, and halves of characters.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Replace characters that command a terminal by their escapes, such as `\\x1b`.

    Names, documents, tasks and answers can hold them: they come from files and models, not from the user.
    """
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), text)


class _SafeConsole(Console):
    """A console that prints only printable text."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print texts, and whatever else rich can show."""
        super().print(*(printable(item) if isinstance(item, str) else item for item in objects), **options)


def stderr() -> Console:
    """Return the console for progress and errors; it is colored only on a terminal."""
    return _SafeConsole(stderr=True, highlight=False, soft_wrap=True)


def stdout() -> Console:
    """Return the console for results; it is colored only on a terminal."""
    return _SafeConsole(highlight=False, soft_wrap=True)


def print_json(document: object) -> None:
    """Print a result as JSON; a program that reads it gets all characters as they are."""
    text = json.dumps(document, indent=1, ensure_ascii=False)
    sys.stdout.write(_UNPRINTABLE.sub(lambda match: json.dumps(match[0])[1:-1], text) + "\n")


def print_line(text: str) -> None:
    """Print one line of a result."""
    sys.stdout.write(printable(text) + "\n")


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
        sys.stdout.write(printable(shown))
        sys.stdout.flush()
    sys.stdout.write("\n")
    return text.strip()
