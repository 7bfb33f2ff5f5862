"""Sharing between owners: a queue that serves the owner who got least so far, and limits for a single owner."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

NICENESS = 8
"""Priority of threads and processes that work on documents: answers come first where all cores are busy."""


def owner_limit(total: int, share: float) -> int:
    """Return how many of `total` places one owner may take, at least 1 if there are any.

    Args:
        total: all places.
        share: an owner's share of them, 0 to 1.
    """
    return min(total, max(1, int(total * share)))


def lower_priority() -> None:
    """Lower the priority of this thread and of the threads that it starts, where the system has one for each."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)


_MAX_KNOWN = 1024
"""Owners whose service is remembered; above it those who are away are forgotten."""


class FairQueue(Generic[T]):
    """Queued work of several owners. The next item is the oldest one of the owner who has been served least.

    What counts as service is up to the caller (`charge`): seconds or tokens. An owner who was away gets no credit for
    it: on return the owner starts level with the least served of the others. Not thread-safe.

    Source: Sheng et al., Fairness in Serving Large Language Models, 2024 (arXiv 2401.00588), algorithm 2.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._queues: dict[str, deque[T]] = {}
        self._running: Counter[str] = Counter()
        self._served: dict[str, float] = {}

    def __len__(self) -> int:
        """Return the number of queued items."""
        return sum(map(len, self._queues.values()))

    def __iter__(self) -> Iterator[T]:
        """Iterate over the queued items, owner by owner."""
        return (item for queue in self._queues.values() for item in queue)

    @property
    def owners(self) -> list[str]:
        """Return the owners of queued items."""
        return list(self._queues)

    @property
    def num_owners(self) -> int:
        """Return the number of owners with queued or running items."""
        return len(self._queues.keys() | self._running.keys())

    def num_queued(self, owner: str) -> int:
        """Return the number of an owner's queued items."""
        return len(self._queues.get(owner, ()))

    def num_running(self, owner: str) -> int:
        """Return the number of an owner's items that were taken and have not ended."""
        return self._running[owner]

    def push(self, owner: str, item: T) -> None:
        """Queue an item."""
        if not self._is_active(owner):
            if len(self._served) >= _MAX_KNOWN:  # anybody can come from very many addresses
                self._served = {other: served for other, served in self._served.items() if self._is_active(other)}
            others = [served for other, served in self._served.items() if self._is_active(other)]
            self._served[owner] = max(self._served.get(owner, 0.0), min(others, default=0.0))
        self._queues.setdefault(owner, deque()).append(item)

    def next_owner(self, may_start: Callable[[str], bool] = lambda _owner: True) -> str | None:
        """Return whose item is next; None if nothing can start.

        Args:
            may_start: whether an item of this owner may start now.
        """
        return self.least_served(owner for owner, queue in self._queues.items() if queue and may_start(owner))

    def least_served(self, owners: Iterable[str]) -> str | None:
        """Return which of some owners with queued or running items was served least; None if there are none."""
        return min(owners, key=self._served.__getitem__, default=None)

    def first(self, owner: str) -> T:
        """Return an owner's oldest item and leave it queued."""
        return self._queues[owner][0]

    def take(self, owner: str) -> T:
        """Take an owner's oldest item, which counts as running until `end`."""
        item = self._queues[owner].popleft()
        if not self._queues[owner]:
            del self._queues[owner]
        self._running[owner] += 1
        return item

    def end(self, owner: str) -> None:
        """Count a taken item of an owner as ended."""
        self._running[owner] -= 1
        if not self._running[owner]:
            del self._running[owner]

    def charge(self, owner: str, cost: float) -> None:
        """Count service that an owner received."""
        self._served[owner] = self._served.get(owner, 0.0) + cost

    def discard(self, unwanted: Callable[[T], bool]) -> None:
        """Drop queued items."""
        for owner, queue in list(self._queues.items()):
            kept = deque(item for item in queue if not unwanted(item))
            if kept:
                self._queues[owner] = kept
            else:
                del self._queues[owner]

    def _is_active(self, owner: str) -> bool:
        return owner in self._queues or owner in self._running


class Pace:
    """Holds owners to equal shares of time: after work of `s` seconds an owner waits until `s` times all owners passed.

    Not thread-safe.
    """

    def __init__(self) -> None:
        """Start with nobody waiting."""
        self._until: dict[str, float] = {}

    def may_start(self, owner: str) -> bool:
        """Return whether an owner's next work may start."""
        return time.monotonic() >= self._until.get(owner, -math.inf)

    def charge(self, owner: str, seconds: float, num_owners: int) -> None:
        """Count work that an owner's item took and that has just ended.

        Args:
            owner: whose work it was.
            seconds: how long it took.
            num_owners: owners who share the time now, this one included.
        """
        now = time.monotonic()
        self._until = {other: until for other, until in self._until.items() if until > now}
        self._until[owner] = now + seconds * max(0, num_owners - 1)
