"""How often something may happen in a second, for each who does it."""

from __future__ import annotations

import asyncio
import math
import time

from lorify.errors import BusyError

MAX_WAIT_SECONDS = 2.0
"""Requests that would have to wait longer for their turn are refused."""
_MAX_KNOWN = 1024  # above it those that do not have to wait are forgotten


class RateLimit:
    """Limits how often each owner does something, on average and at once. Not thread-safe.

    Source: the generic cell rate algorithm as virtual scheduling (ITU-T I.371, annex A).
    """

    def __init__(self, per_second: float, at_once: int) -> None:
        """Start with nobody waiting.

        Args:
            per_second: how often, on average over a long time.
            at_once: how often after a pause, without waiting.
        """
        self._interval = 1 / per_second
        self._tolerance = (at_once - 1) * self._interval
        # When the next event of an owner is due who keeps to the rate exactly; monotonic, so the clock may be set.
        self._due: dict[str, float] = {}

    def seconds_until(self, owner: str) -> float:
        """Return how long an owner has to wait, in seconds, 0 if not at all."""
        return max(0.0, self._due.get(owner, -math.inf) - self._tolerance - time.monotonic())

    def take(self, owner: str, number: int = 1) -> float:
        """Count events, and return how long the first one has to wait until it is within the rate, in seconds.

        Several at once, which are a penalty, make later ones wait at most so long that their turn is refused.
        """
        seconds, now = self.seconds_until(owner), time.monotonic()
        if len(self._due) >= _MAX_KNOWN:
            self._due = {other: due for other, due in self._due.items() if due > now}
        latest = now + self._tolerance + MAX_WAIT_SECONDS + self._interval
        due = max(now, self._due.get(owner, now)) + number * self._interval
        self._due[owner] = due if number == 1 else min(due, latest)
        return seconds

    async def turn(self, owner: str) -> None:
        """Wait for an owner's turn.

        Raises:
            BusyError: if it is further away than `MAX_WAIT_SECONDS`.
        """
        wait = self.seconds_until(owner)
        if wait > MAX_WAIT_SECONDS:
            seconds = math.ceil(wait)
            raise BusyError(
                f"too many requests a second, more than {1 / self._interval:g}; try again in {seconds} s", seconds
            )
        if seconds := self.take(owner):
            await asyncio.sleep(seconds)
