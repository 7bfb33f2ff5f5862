"""How long training on a context may take, and how it is cancelled."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from lorify.cancellation import CancelToken


@dataclass(frozen=True)
class TimeLimit:
    """A time limit that begins when it is made.

    Attributes:
        seconds: how long; None for no limit.
        cancel: cancels the work; None if nothing does.
        started: value of `time.perf_counter()` at the beginning.
    """

    seconds: float | None = None
    cancel: CancelToken | None = None
    started: float = field(default_factory=time.perf_counter)

    def is_over(self) -> bool:
        """Return whether the time is over.

        Raises:
            Exception: the error of the token, if it was cancelled.
        """
        if self.cancel is not None:
            self.cancel.raise_if_cancelled()
        return self.seconds is not None and self.elapsed >= self.seconds

    def first_half(self) -> TimeLimit:
        """Return a limit that begins now and ends when half of the remaining time has passed."""
        left = None if self.seconds is None else (self.seconds - self.elapsed) / 2
        return TimeLimit(left, self.cancel)

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self.started
