"""Slow work: in threads of its own with a bounded number of those who wait, and equal work done once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lorify.errors import BusyError

RETRY_SECONDS = 5

T = TypeVar("T")


class Workers:
    """Threads for one kind of work, so that nothing else waits behind it; used from one event loop."""

    def __init__(self, kind: str, num_threads: int, max_places: int) -> None:
        """Start with nothing to do.

        Args:
            kind: what is done, as in `documents being read`.
            num_threads: how much is done at a time.
            max_places: requests that are worked for or wait; further ones are refused.
        """
        self._kind = kind
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix="lorify-worker")
        self._max_places = max_places
        self._num_taken = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """What a request has while it is worked for.

        Raises:
            BusyError: if all places are taken.
        """
        if self._num_taken >= self._max_places:
            raise BusyError(
                f"{self._num_taken} requests wait for {self._kind}; try again in {RETRY_SECONDS} s", RETRY_SECONDS
            )
        self._num_taken += 1
        try:
            yield
        finally:
            self._num_taken -= 1

    async def run(self, work: Callable[[], T]) -> T:
        """Do something; when this is cancelled before it has begun, it is dropped."""
        return await asyncio.wrap_future(self._pool.submit(work))

    def close(self) -> None:
        """Take nothing more and drop what waits; what has begun goes on."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@dataclass
class _Flight(Generic[T]):
    """Work that somebody waits for."""

    task: asyncio.Task[T]
    num_waiting: int = 0


class SingleFlight(Generic[T]):
    """Work that several ask for at a time and that is done once; used from one event loop."""

    def __init__(self) -> None:
        """Start with nothing to do."""
        self._flights: dict[Hashable, _Flight[T]] = {}

    async def run(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        """Do something, or wait for the same that is being done; it is cancelled when nobody waits any more.

        Args:
            key: the same for what is the same.
            work: how to do it.

        Returns:
            What came out, and whether somebody else had asked for it before.
        """
        flight = self._flights.get(key)
        joined = flight is not None
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(work()))
        flight.num_waiting += 1
        try:
            return await asyncio.shield(flight.task), joined
        finally:
            flight.num_waiting -= 1
            if not flight.num_waiting:
                del self._flights[key]
                flight.task.cancel()
