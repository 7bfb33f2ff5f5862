"""Slow work in its own threads: a bounded queue, and identical requests that share one run."""

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
    """Threads for one kind of work, with a limit on the requests that use them; used from one event loop."""

    def __init__(self, kind: str, num_threads: int, max_requests: int) -> None:
        """Start idle.

        Args:
            kind: what is done, for error messages: `documents to be parsed`.
            num_threads: pieces of work done at once.
            max_requests: limit on running and queued requests.
        """
        self._kind = kind
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix="lorify-worker")
        self._max_requests = max_requests
        self._num_requests = 0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one of the `max_requests` slots while a request is being worked on.

        Raises:
            BusyError: if all slots are taken.
        """
        if self._num_requests >= self._max_requests:
            raise BusyError(
                f"{self._num_requests} requests are waiting for {self._kind}; try again in {RETRY_SECONDS} s",
                RETRY_SECONDS,
            )
        self._num_requests += 1
        try:
            yield
        finally:
            self._num_requests -= 1

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread; cancelling this call before the work has begun drops it."""
        return await asyncio.wrap_future(self._pool.submit(work))

    def close(self) -> None:
        """Accept no more work and drop what is queued; running work continues."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@dataclass
class _Flight(Generic[T]):
    """Running work and the number of callers that wait for it."""

    task: asyncio.Task[T]
    num_waiting: int = 0


class SingleFlight(Generic[T]):
    """Runs work once for all callers that ask for it at the same time; used from one event loop."""

    def __init__(self) -> None:
        """Start idle."""
        self._flights: dict[Hashable, _Flight[T]] = {}

    async def run(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        """Run `work`, or join a run with the same key; the run is cancelled once all its callers are.

        Args:
            key: equal for equal work.
            work: starts the work.

        Returns:
            The result, and whether this call joined a run that another caller had started.
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
