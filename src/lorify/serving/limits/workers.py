"""Slow work in its own threads: a bounded queue, and identical requests that share one run."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from lorify.errors import BusyError
from lorify.serving.limits.sharing import FairQueue, lower_priority, owner_limit
from lorify.serving.progress import Progress

RETRY_SECONDS = 5

T = TypeVar("T")


@dataclass
class _Work:
    """Work of an owner and the future of its result."""

    owner: str
    call: Callable[[], Any]
    result: asyncio.Future[Any]


class Workers:
    """Threads for one kind of work, shared fairly between owners; used from one event loop."""

    def __init__(
        self,
        kind: str,
        num_threads: int,
        max_requests: int,
        max_share: float = 1.0,
        *,
        max_owner_threads: int | None = None,
        answers_first: bool = False,
    ) -> None:
        """Start idle.

        Args:
            kind: what is done, for error messages: `documents to be parsed`.
            num_threads: pieces of work done at once.
            max_requests: limit on running and queued requests.
            max_share: share of the threads and of `max_requests` that one owner may take, 0 to 1.
            max_owner_threads: pieces of work of one owner done at once; by default a share of `num_threads`.
            answers_first: whether the threads have a lower priority than those that answer.
        """
        self._kind = kind
        self._pool = ThreadPoolExecutor(
            num_threads, thread_name_prefix="lorify-worker", initializer=lower_priority if answers_first else None
        )
        self._num_free = num_threads
        self._max_threads = max_owner_threads or owner_limit(num_threads, max_share)
        self._max_requests = max_requests
        self._max_owner_requests = owner_limit(max_requests, max_share)
        self._requests: Counter[str] = Counter()
        self._queue: FairQueue[_Work] = FairQueue()

    @contextmanager
    def slot(self, owner: str) -> Iterator[None]:
        """Hold one of the `max_requests` slots while a request of `owner` is being worked on.

        Raises:
            BusyError: if all slots are taken, or all that one owner may take.
        """
        own, total = self._requests[owner], self._requests.total()
        if total >= self._max_requests or own >= self._max_owner_requests:
            waiting = f"{total} requests are" if total >= self._max_requests else f"{own} of your requests are"
            raise BusyError(f"{waiting} waiting for {self._kind}; try again in {RETRY_SECONDS} s", RETRY_SECONDS)
        self._requests[owner] += 1
        try:
            yield
        finally:
            self._requests[owner] -= 1

    async def run(self, call: Callable[[], T], owner: str) -> T:
        """Run `call` in a thread; cancelling this before the work has begun drops it.

        The owner whose work has taken least time so far goes first.
        """
        work = _Work(owner, call, asyncio.get_running_loop().create_future())
        self._queue.push(owner, work)
        self._start_next()
        return await work.result

    def close(self) -> None:
        """Accept no more work and drop what is queued; running work continues."""
        for work in self._queue:
            work.result.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start_next(self) -> None:
        """Start queued work while a thread is free."""
        self._queue.discard(lambda work: work.result.done())
        while self._num_free:
            owner = self._queue.next_owner(lambda owner: self._queue.num_running(owner) < self._max_threads)
            if owner is None:
                return
            work = self._queue.take(owner)
            self._num_free -= 1
            task = asyncio.ensure_future(asyncio.wrap_future(self._pool.submit(work.call)))
            task.add_done_callback(partial(self._ended, work, time.monotonic()))

    def _ended(self, work: _Work, started: float, task: asyncio.Future[Any]) -> None:
        self._num_free += 1
        self._queue.end(work.owner)
        self._queue.charge(work.owner, time.monotonic() - started)
        error = None if task.cancelled() else task.exception()
        if not work.result.done():
            if task.cancelled():
                work.result.cancel()
            elif error is not None:
                work.result.set_exception(error)
            else:
                work.result.set_result(task.result())
        self._start_next()


@dataclass
class _Flight(Generic[T]):
    """Running work, its progress, and the number of callers that wait for it."""

    task: asyncio.Task[T]
    progress: Progress
    num_waiting: int = 0


class SingleFlight(Generic[T]):
    """Runs work once for all callers that ask for it at the same time; used from one event loop."""

    def __init__(self) -> None:
        """Start idle."""
        self._flights: dict[Hashable, _Flight[T]] = {}

    async def run(
        self,
        key: Hashable,
        work: Callable[[Progress], Coroutine[Any, Any, T]],
        follow: Callable[[Progress], None] | None = None,
    ) -> tuple[T, bool]:
        """Run `work`, or join a run with the same key; the run is cancelled once all its callers are.

        Args:
            key: equal for equal work.
            work: starts the work, which reports its progress.
            follow: called with that progress, also if another caller had started the work.

        Returns:
            The result, and whether this call joined a run that another caller had started.
        """
        flight = self._flights.get(key)
        joined = flight is not None
        if flight is None:
            progress = Progress()
            flight = self._flights[key] = _Flight(asyncio.create_task(work(progress)), progress)
        flight.num_waiting += 1
        if follow is not None:
            follow(flight.progress)
        try:
            return await asyncio.shield(flight.task), joined
        finally:
            flight.num_waiting -= 1
            if not flight.num_waiting:
                del self._flights[key]
                flight.task.cancel()
