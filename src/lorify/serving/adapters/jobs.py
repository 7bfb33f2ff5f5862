"""Jobs: adapters that are generated in the background, while the client asks how far they are.

Jobs are kept in memory only. A restart forgets them; what they had stored by then is in the store.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from lorify.errors import BusyError, LorifyError, UnknownJobError
from lorify.serving.adapters.creation import CreatedAdapter, Follow
from lorify.serving.limits.sharing import owner_limit
from lorify.serving.limits.workers import RETRY_SECONDS
from lorify.serving.progress import Progress

JobStatus = Literal["running", "succeeded", "failed", "cancelled"]

Work = Callable[[Follow], Coroutine[Any, Any, CreatedAdapter]]
"""Generates and stores an adapter; what it is given is called with the progress that the job shows from then on."""

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class AdapterJob:
    """An adapter that is being generated, or was.

    Attributes:
        id: its id.
        owner: who may see it.
        created: Unix time in seconds.
        progress: how far it is.
        status: whether it is running, or how it ended.
        ended: when it ended, by the monotonic clock; None while it is running.
        result: the adapter, once it has succeeded.
        error: why it failed.
    """

    id: str
    owner: str
    created: int
    progress: Progress = field(default_factory=lambda: Progress("reading"))
    status: JobStatus = "running"
    ended: float | None = None
    result: CreatedAdapter | None = None
    error: BaseException | None = None

    def follow(self, progress: Progress) -> None:
        """Show this progress from now on."""
        self.progress = progress


class AdapterJobs:
    """The jobs of all owners; used from one event loop."""

    def __init__(self, max_jobs: int, keep_seconds: float, max_share: float = 1.0) -> None:
        """Start without jobs.

        Args:
            max_jobs: limit on running jobs, and on the ended ones of an owner that are kept.
            keep_seconds: time after its end until a job is forgotten, in seconds.
            max_share: share of `max_jobs` that one owner may take, 0 to 1.
        """
        self._max_jobs = max_jobs
        self._max_owner_jobs = owner_limit(max_jobs, max_share)
        self._keep_seconds = keep_seconds
        self._jobs: dict[str, AdapterJob] = {}
        self._tasks: dict[str, asyncio.Task[CreatedAdapter]] = {}

    def start(self, owner: str, work: Work) -> AdapterJob:
        """Start a job.

        Args:
            owner: who may see it.
            work: what it does.

        Raises:
            BusyError: if too many jobs are running, or too many of the owner.
        """
        self._forget_old()
        own = sum(self._jobs[id].owner == owner for id in self._tasks)
        if len(self._tasks) >= self._max_jobs or own >= self._max_owner_jobs:
            running = f"{own} of your jobs are" if own >= self._max_owner_jobs else "too many jobs are"
            raise BusyError(f"{running} running; wait for one to end, or try again in {RETRY_SECONDS} s", RETRY_SECONDS)
        job = AdapterJob(secrets.token_hex(12), owner, int(time.time()))
        self._jobs[job.id] = job
        task = self._tasks[job.id] = asyncio.create_task(work(job.follow))
        task.add_done_callback(partial(self._ended, job))
        return job

    def get(self, id: str, owner: str) -> AdapterJob:
        """Return a job of `owner`.

        Raises:
            UnknownJobError: if the owner has no such job.
        """
        self._forget_old()
        job = self._jobs.get(id)
        if job is None or job.owner != owner:
            raise UnknownJobError(
                f"there is no job {id!r}; jobs are forgotten {self._keep_seconds:.0f} s after their end and when the "
                "server restarts, and GET /v1/adapters lists what they made"
            )
        return job

    def list(self, owner: str) -> list[AdapterJob]:
        """Return the jobs of `owner`, oldest first."""
        self._forget_old()
        return [job for job in self._jobs.values() if job.owner == owner]

    async def cancel(self, id: str, owner: str) -> AdapterJob:
        """Cancel a job, and wait until it has ended. One that is saving its adapter succeeds all the same.

        Raises:
            UnknownJobError: if the owner has no such job.
        """
        job = self.get(id, owner)
        task = self._tasks.get(id)
        if task is not None:
            if job.progress.phase != "saving":
                task.cancel()
            await asyncio.wait([task])
        return job

    async def drain(self, timeout_seconds: float) -> None:
        """Wait for running jobs, and cancel those that run after `timeout_seconds`."""
        tasks = list(self._tasks.values())
        if tasks:
            _, running = await asyncio.wait(tasks, timeout=timeout_seconds)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _ended(self, job: AdapterJob, task: asyncio.Task[CreatedAdapter]) -> None:
        del self._tasks[job.id]
        job.ended = time.monotonic()
        if task.cancelled():
            job.status = "cancelled"
        elif (error := task.exception()) is not None:
            job.error, job.status = error, "failed"
            if not isinstance(error, LorifyError):
                _log.error("a job failed", exc_info=error)
        else:
            job.result, job.status = task.result(), "succeeded"

    def _forget_old(self) -> None:
        """Forget jobs that ended long ago, and the oldest ones of owners with many."""
        now = time.monotonic()
        kept: dict[str, int] = {}
        for job in reversed(list(self._jobs.values())):
            if job.ended is None:
                continue
            kept[job.owner] = kept.get(job.owner, 0) + 1
            if now - job.ended > self._keep_seconds or kept[job.owner] > self._max_jobs:
                del self._jobs[job.id]
