"""Time limits and cancellation of training on a context."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

from lorify.cancellation import CancelToken

FIRST_ITEMS = 2
"""Items that are always processed; the time they take determines how many more there is time for."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class TimeLimit:
    """A time limit that starts when it is created.

    Attributes:
        seconds: how long; None for no limit.
        cancel: cancels the work; None if it cannot be cancelled.
        started: value of `time.perf_counter()` at the start.
    """

    seconds: float | None = None
    cancel: CancelToken | None = None
    started: float = field(default_factory=lambda: time.perf_counter())

    def is_over(self) -> bool:
        """Return whether the time is up.

        Raises:
            Exception: the error of the token, if it was cancelled.
        """
        if self.cancel is not None:
            self.cancel.raise_if_cancelled()
        return self.seconds is not None and self.elapsed >= self.seconds

    def first_half(self) -> TimeLimit:
        """Return a limit that starts now and lasts half of the remaining time."""
        left = None if self.seconds is None else (self.seconds - self.elapsed) / 2
        return TimeLimit(left, self.cancel)

    def batches(self, items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
        """Split items into batches of as many as there is time for, judging by the time per item of the last batch.

        Args:
            items: the items; the first few are always yielded.
            size: maximum number of items in a batch.
        """
        start, number = 0, size if self.seconds is None else min(size, FIRST_ITEMS)
        while items[start:] and number > 0:
            began = time.perf_counter()
            batch = items[start : start + number]
            yield batch
            start += len(batch)
            number = 0 if self.is_over() else self._number_within(time.perf_counter() - began, len(batch), size)

    def steps(self, most: int | None = None, least: int = 0) -> Iterator[int]:
        """Count steps until there is no time for another one as long as the last one.

        Args:
            most: maximum number of steps; None: only time limits them.
            least: minimum number of steps, whatever the time.
        """
        last = 0.0
        for step in count():
            has_time = not self.is_over() and (self.seconds is None or self.elapsed + last <= self.seconds)
            if step == most or (step >= least and not has_time):
                return
            began = time.perf_counter()
            yield step
            last = time.perf_counter() - began

    def _number_within(self, seconds: float, done: int, most: int) -> int:
        """Number of items that there is time for, at most `most`, if `done` items took `seconds`."""
        if self.seconds is None:
            return most
        return min(most, int((self.seconds - self.elapsed) / max(seconds, 1e-9) * done))

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.started


UNLIMITED = TimeLimit()
"""No limit."""
