"""The time and step budget of a training run."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Budget:
    """Limits of a training run.

    Attributes:
        steps: maximum number of gradient steps.
        seconds: no step begins later than this after the budget was made; None for no limit.
        started: value of `time.perf_counter()` when it was made.
    """

    steps: int
    seconds: float | None = None
    started: float = field(default_factory=time.perf_counter)

    def is_spent(self) -> bool:
        """Return whether the time is over."""
        return self.seconds is not None and time.perf_counter() >= self.started + self.seconds

    def half_way(self) -> float | None:
        """Return the `time.perf_counter()` at which half of the time left now will be over; None for no limit."""
        return None if self.seconds is None else (time.perf_counter() + self.started + self.seconds) / 2


def is_over(deadline: float | None) -> bool:
    """Return whether a deadline, a value of `time.perf_counter()`, is over; never for None."""
    return deadline is not None and time.perf_counter() >= deadline
