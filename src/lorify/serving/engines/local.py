"""The local engine: continuous batching over rows that each have their own adapters or none.

One thread owns the decoding batch. Between two steps it drops rows that are finished, cancelled or late, and admits
queued jobs. Other threads communicate with it through a queue under a lock; answers are sent to the event loop from
which the job was submitted.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Collection, Sequence

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from lorify.adapters import build_lora_batch
from lorify.answering.plan import Planner, plan_as_requested
from lorify.base.decoding import DecodingBatch, start_decoding
from lorify.base.model import BaseLM
from lorify.base.sampling import sample_tokens
from lorify.errors import BusyError, ClosingError, LorifyError, TooSlowError
from lorify.serving.engines.jobs import EngineStatus, Job
from lorify.serving.engines.local_jobs import LocalAnswerStream, QueuedJob, RunningJob, client_error, token_choices
from lorify.serving.fairness import FairQueue, owner_limit

_log = logging.getLogger(__name__)


class EngineLimits(BaseModel):
    """Limits of the local engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_rows: int = Field(default=32, ge=1, description="Answers generated at once; further ones wait.")
    max_waiting: int = Field(default=128, ge=0, description="Queued requests; further ones get status 429.")
    max_cache_tokens: int = Field(
        default=65_536, ge=1, description="Limit on the KV cache in tokens: rows times the longest sequence."
    )
    max_prefill_tokens: int = Field(
        default=4096, ge=1, description="Prompt tokens processed between two steps, so that running answers continue."
    )
    timeout_seconds: float = Field(default=300, gt=0, description="Time limit from a request to its complete answer.")


class LocalEngine:
    """Answers jobs with the base in this process."""

    def __init__(
        self,
        base: BaseLM,
        limits: EngineLimits | None = None,
        plan: Planner = plan_as_requested,
        max_share: float = 1.0,
    ) -> None:
        """Start the engine's thread.

        Args:
            base: the base.
            limits: limits on the load; the defaults if None.
            plan: chooses and focuses the adapters of jobs when they start; called in the engine's thread.
            max_share: share of rows, key-value cache and queue that one owner may take, 0 to 1.
        """
        self._base, self._plan = base, plan
        self.limits = limits or EngineLimits()
        self._stop_ids = base.stop_ids
        self._changed = threading.Condition()
        self._max_owner_rows = owner_limit(self.limits.max_rows, max_share)
        # One request may ask for as many answers as there are rows, and queues them together.
        waiting = owner_limit(self.limits.max_waiting, max_share)
        self._max_owner_waiting = max(waiting, min(self.limits.max_rows, self.limits.max_waiting))
        self._max_owner_tokens = owner_limit(self.limits.max_cache_tokens, max_share)
        # Served are tokens: those of prompts and of answers.
        self._queue: FairQueue[QueuedJob] = FairQueue()
        self._starting: list[QueuedJob] = []  # their prompts are being processed
        self._rows: list[RunningJob] = []  # in the order of the batch's rows
        self._batch = self._empty_batch()
        self._closing = False
        self._prompt_tokens = self._answer_tokens = 0
        self._average_seconds = 1.0  # moving average of the time to answer a job
        self._thread = threading.Thread(target=self._run, name="lorify-engine", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> LocalAnswerStream:
        """Queue a job; called from an event loop.

        Raises:
            BusyError: if `max_waiting` jobs are queued.
            ClosingError: if the engine is shutting down.
        """
        queued = QueuedJob(job, time.monotonic() + self.limits.timeout_seconds, asyncio.get_running_loop())
        with self._changed:
            if self._closing:
                raise ClosingError("the server is shutting down; try again in a moment")
            self._queue.discard(lambda other: other.cancelled)
            self._check_room(job.owner)
            self._queue.push(job.owner, queued)
            self._changed.notify_all()
        return LocalAnswerStream(queued)

    def _check_room(self, owner: str) -> None:
        """Raise a BusyError if too many jobs are queued, of all owners or of this one."""
        num_free = self.limits.max_rows - self._num_running()
        own_free = min(num_free, self._max_owner_rows - self._queue.num_running(owner))
        for whose, num_queued, num_starting, max_waiting in (
            ("requests are", len(self._queue), num_free, self.limits.max_waiting),
            ("of your requests are", self._queue.num_queued(owner), own_free, self._max_owner_waiting),
        ):
            if num_queued - max(0, num_starting) >= max_waiting:
                wait = max(1, math.ceil(self._average_seconds * (num_queued + 1) / self.limits.max_rows))
                raise BusyError(f"{num_queued} {whose} waiting; try again in {wait} s", wait)

    def status(self) -> EngineStatus:
        """Return the current load."""
        with self._changed:
            num_queued = sum(not queued.cancelled for queued in self._queue)
            return EngineStatus(self._num_running(), num_queued, self._prompt_tokens, self._answer_tokens)

    async def is_healthy(self) -> bool:
        """Return whether the engine's thread is alive."""
        return self._thread.is_alive()

    def forget(self, documents: Collection[str]) -> None:
        """Do nothing: the engine keeps adapters only in memory, and only for its jobs."""

    async def drain(self, timeout_seconds: float) -> None:
        """Accept no more jobs, finish the queued and running ones, and end; cancel them after the time."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        await asyncio.to_thread(self._thread.join, timeout_seconds)
        if self._thread.is_alive():
            with self._changed:
                for queued in (*self._queue, *self._starting, *(row.queued for row in self._rows)):
                    queued.deadline = -math.inf
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: len(self._queue) or self._rows or self._closing)
                if not len(self._queue) and not self._rows:
                    return
                self._drop_ended()
                self._starting = self._next_jobs()
            try:
                if self._starting:
                    self._start(self._starting)
                    with self._changed:
                        self._drop_ended()
                if self._rows:  # also after a start, so that answers go on while new prompts keep coming
                    tokens = torch.tensor([row.last_token for row in self._rows], device=self._base.device)
                    self._extend(self._rows, self._batch.step(tokens))
            except Exception as error:  # no request may end the engine
                _log.exception("a decoding step failed")
                self._fail_all(error)

    def _num_running(self) -> int:
        return len(self._starting) + len(self._rows)

    def _empty_batch(self) -> DecodingBatch:
        return start_decoding(self._base, self._base.window_tokens)

    def _drop_ended(self) -> None:
        """Drop jobs that are finished, cancelled or late; late ones get an error."""
        now = time.monotonic()
        for index in reversed(range(len(self._rows))):
            row = self._rows[index]
            if not row.finished and not row.queued.cancelled and now < row.queued.deadline:
                continue
            if row.finished:
                seconds = now - (row.queued.deadline - self.limits.timeout_seconds)
                self._average_seconds = 0.9 * self._average_seconds + 0.1 * min(seconds, self.limits.timeout_seconds)
            elif not row.queued.cancelled:
                row.queued.send(self._late_error())
            self._queue.end(row.queued.job.owner)
            self._batch.drop_row(index)
            self._rows[index] = self._rows[-1]
            self._rows.pop()
        for queued in self._queue:
            if now >= queued.deadline and not queued.cancelled:
                queued.send(self._late_error())
                queued.cancelled = True
        self._queue.discard(lambda queued: queued.cancelled)

    def _late_error(self) -> LorifyError:
        if self._closing:
            return ClosingError("the server is shutting down before the answer is finished; ask again in a moment")
        return TooSlowError(
            f"the answer was not finished within {self.limits.timeout_seconds:g} s; ask for fewer tokens, or try again "
            "later"
        )

    def _next_jobs(self) -> list[QueuedJob]:
        """Take the queued jobs that can start now, in their order: the owner who got fewest tokens is next."""
        starting: list[QueuedJob] = []
        num_prompt_tokens = 0
        longest = max((row.queued.max_tokens for row in self._rows), default=0)
        while (owner := self._queue.next_owner(lambda owner: self._has_free_row(owner, starting))) is not None:
            queued = self._queue.first(owner)
            num_rows = len(self._rows) + len(starting) + 1
            num_prompt_tokens += queued.job.num_prompt_tokens
            longest = max(longest, queued.max_tokens)
            # A single job always starts, whatever its size.
            if num_rows > self.limits.max_rows or (num_rows > 1 and num_rows * longest > self.limits.max_cache_tokens):
                break
            if starting and num_prompt_tokens > self.limits.max_prefill_tokens:
                break
            starting.append(self._queue.take(owner))
            self._queue.charge(owner, queued.job.num_prompt_tokens)
        return starting

    def _has_free_row(self, owner: str, starting: Sequence[QueuedJob]) -> bool:
        """Whether an owner may have another row, and the tokens that its rows then take in the cache."""
        others = (*starting, *(row.queued for row in self._rows))
        own = [queued.max_tokens for queued in others if queued.job.owner == owner]
        num_rows = len(own) + 1
        longest = max([*own, self._queue.first(owner).max_tokens])
        return num_rows == 1 or (num_rows <= self._max_owner_rows and num_rows * longest <= self._max_owner_tokens)

    def _start(self, jobs: Sequence[QueuedJob]) -> None:
        """Process the prompts of jobs and choose the first token of each; a job that fails does not affect others."""
        try:
            plans = self._plan([queued.job.request for queued in jobs])
            lora = build_lora_batch([plan.adapters for plan in plans], self._base)
            logits = self._batch.add_rows([plan.prompt_ids for plan in plans], lora)
        except Exception as error:
            if len(self._batch) != len(self._rows):
                raise
            if len(jobs) > 1:
                for queued in jobs:
                    self._start([queued])
                return
            _log.exception("a prompt could not be processed")
            jobs[0].send(client_error(error))
            with self._changed:
                self._starting.remove(jobs[0])
                self._queue.end(jobs[0].job.owner)
            return
        rows = [RunningJob(queued, self._base, plan) for queued, plan in zip(jobs, plans, strict=True)]
        with self._changed:
            self._starting = [queued for queued in self._starting if queued not in jobs]
            self._rows += rows
            self._prompt_tokens += sum(queued.job.num_prompt_tokens for queued in jobs)
        self._extend(rows, logits)

    def _extend(self, rows: list[RunningJob], logits: Tensor) -> None:
        """Sample the next token of each row from `logits [N, V]` and send it."""
        tokens = sample_tokens(logits, [row.sampler for row in rows]).tolist()
        choices = token_choices([row.queued.job for row in rows], logits, tokens, self._decode)
        for row, token, choice in zip(rows, tokens, choices, strict=True):
            row.add_token(token, choice, self._stop_ids)
        self._answer_tokens += len(rows)
        with self._changed:
            for row in rows:
                self._queue.charge(row.queued.job.owner, 1)

    def _decode(self, ids: list[int]) -> str:
        return str(self._base.tokenizer.decode(ids))

    def _fail_all(self, error: Exception) -> None:
        """End all running jobs with an error, and start over with an empty batch."""
        with self._changed:
            for queued in (*self._starting, *(row.queued for row in self._rows if not row.finished)):
                queued.send(client_error(error))
            for queued in (*self._starting, *(row.queued for row in self._rows)):
                self._queue.end(queued.job.owner)
            self._starting, self._rows = [], []
            self._batch = self._empty_batch()
