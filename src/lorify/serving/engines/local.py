"""The local engine: continuous batching over rows that each have their own adapters or none.

One thread owns the decoding batch. Between two steps it drops rows that are finished, cancelled or late, and processes
the next piece of a prompt (`prompt_queue`). Other threads communicate with it through a queue under a lock; answers are
sent to the event loop from which the job was submitted.
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
from lorify.base.decoding.batching import DecodingBatch, start_decoding
from lorify.base.decoding.prefill import Prefill
from lorify.base.decoding.sampling import sample_tokens
from lorify.base.loading import wait_for_device
from lorify.base.model import BaseLM
from lorify.errors import BusyError, ClosingError, LorifyError, TooSlowError
from lorify.serving.engines.jobs import EngineStatus, Job, quoted_piece
from lorify.serving.engines.local_jobs import LocalAnswerStream, QueuedJob, RunningJob, client_error, token_choices
from lorify.serving.engines.prompt_queue import PromptQueue, StartingJobs
from lorify.serving.engines.row_order import RowOrder
from lorify.serving.engines.row_shares import RowShares
from lorify.serving.limits.sharing import owner_limit

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
        default=128,
        ge=1,
        description="Prompt tokens processed between two steps, so that running answers continue; longer prompts are "
        "processed in pieces.",
    )
    timeout_seconds: float = Field(default=300, gt=0, description="Time limit from a request to its complete answer.")


class LocalEngine:
    """Answers jobs with the base in this process; one thread owns the batch of running jobs."""

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
            max_share: share of rows, key-value cache and queue that one owner may take; at 1 the time is not shared.
        """
        self._base, self._plan = base, plan
        base.decoding_session.expect_many_steps()
        self.limits = limits or EngineLimits()
        self._stop_ids = base.stop_ids
        self._changed = threading.Condition()
        # One request may ask for as many answers as there are rows, and queues them together.
        waiting = owner_limit(self.limits.max_waiting, max_share)
        self._max_owner_waiting = max(waiting, min(self.limits.max_rows, self.limits.max_waiting))
        # Served are tokens: those of prompts and of answers.
        self._prompts = PromptQueue(
            self.limits.max_rows, self.limits.max_cache_tokens, self.limits.max_prefill_tokens, max_share
        )
        self._queue = self._prompts.queue
        self._rows: list[RunningJob] = []  # in the order of the batch's rows
        self._batch = self._empty_batch()
        self._shares = RowShares() if max_share < 1 else None
        self._order = RowOrder()
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
        own_free = min(num_free, self._prompts.max_owner_rows - self._queue.num_running(owner))
        for whose, num_queued, num_starting, max_waiting in (
            ("requests are", len(self._queue), num_free, self.limits.max_waiting),
            ("of your requests are", self._queue.num_queued(owner), own_free, self._max_owner_waiting),
        ):
            if num_queued - max(0, num_starting) >= max_waiting:
                wait = max(1, math.ceil(self._average_seconds * (num_queued + 1) / self.limits.max_rows))
                raise BusyError(f"{num_queued} {whose} waiting; try again in {wait} s", wait)

    def status(self) -> EngineStatus:
        """Return the numbers of running and waiting answers, and of tokens processed since the start."""
        with self._changed:
            num_queued = sum(not queued.cancelled for queued in self._queue)
            return EngineStatus(self._num_running(), num_queued, self._prompt_tokens, self._answer_tokens)

    async def is_healthy(self) -> bool:
        """Return whether the engine's thread is alive."""
        return self._thread.is_alive()

    def forget(self, documents: Collection[str]) -> None:
        """Do nothing: the engine keeps adapters only in memory, and only for its jobs."""

    async def drain(self, timeout_seconds: float) -> None:
        """Accept no more jobs, finish the queued and running ones, and end; cancel what is left after the timeout."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        await asyncio.to_thread(self._thread.join, timeout_seconds)
        if self._thread.is_alive():
            with self._changed:
                for queued in (*self._prompts.jobs(), *(row.queued for row in self._rows)):
                    queued.deadline = -math.inf
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._has_work() or self._closing)
                if not self._has_work():
                    return
            try:
                self._step()  # a method of its own, so that nothing refers to ended jobs and their adapters meanwhile
            except Exception as error:  # no request may end the engine
                _log.exception("a decoding step failed")
                self._fail_all(error)

    def _step(self) -> None:
        """Process a piece of a prompt, if one is due, and decode a token of each row."""
        self._drop_ended()
        with self._changed:
            group = self._prompts.next([row.queued for row in self._rows])
        if group is not None:
            self._advance(group)
            self._drop_ended()
        if self._rows:  # also after a start, so that answers go on while new prompts keep coming
            self._decode_rows()

    def _decode_rows(self) -> None:
        """Decode a token of each row whose owner has not had more than an equal share of the time."""
        started = time.monotonic()
        chosen = range(len(self._rows)) if self._shares is None else self._choose_rows(self._shares)
        owners = [row.queued.job.owner for row in self._rows]
        rows = [self._rows[index] for index in chosen]
        tokens = torch.tensor([row.last_token for row in rows], device=self._base.device)
        self._extend(rows, self._batch.step(tokens, chosen))
        if self._shares is not None:
            self._shares.charge(owners, chosen, time.monotonic() - started)

    def _choose_rows(self, shares: RowShares) -> Sequence[int]:
        """Return the rows to decode now, after moving rows so that they are adjacent if possible."""

        def choose() -> list[int]:
            return shares.choose([row.queued.job.owner for row in self._rows])

        swaps = self._order.swaps(choose(), [row.length for row in self._rows])
        for row, other in swaps:
            self._batch.swap_rows(row, other)
            self._rows[row], self._rows[other] = self._rows[other], self._rows[row]
        return choose()

    def _has_work(self) -> bool:
        return bool(len(self._queue) or self._prompts.starting or self._rows)

    def _num_running(self) -> int:
        return self._prompts.num_starting + len(self._rows)

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
                self._note_seconds(row.queued)
            elif not row.queued.cancelled:
                row.queued.send(self._late_error())
            self._batch.drop_row(index)  # without the lock, as it can copy a lot and the event loop waits for the lock
            with self._changed:
                self._queue.end(row.queued.job.owner)
                self._rows[index] = self._rows[-1]
                self._rows.pop()
        with self._changed:
            for queued in self._prompts.jobs():
                if now >= queued.deadline and not queued.cancelled:
                    queued.send(self._late_error())
                    queued.cancelled = True
            self._prompts.discard(lambda queued: queued.cancelled)

    def _note_seconds(self, queued: QueuedJob) -> None:
        """Let the time that a finished job took count in the average."""
        seconds = time.monotonic() - (queued.deadline - self.limits.timeout_seconds)
        self._average_seconds = 0.9 * self._average_seconds + 0.1 * min(seconds, self.limits.timeout_seconds)

    def _late_error(self) -> LorifyError:
        if self._closing:
            return ClosingError("the server is shutting down before the answer is finished; ask again in a moment")
        return TooSlowError(
            f"the answer was not finished within {self.limits.timeout_seconds:g} s; ask for fewer tokens, or try again "
            "later"
        )

    def _advance(self, group: StartingJobs) -> None:
        """Process a piece of the prompts of jobs, and after the last one choose the first token of each job.

        A job that fails does not affect others.
        """
        rows: list[RunningJob] = []
        logits: Tensor | None = None
        started = time.monotonic()
        try:
            if not group.plans:
                group.plans = self._plan(group.requests)
                self._give_quotes(group, time.monotonic() - started)
                if not group.jobs:
                    return
                started = time.monotonic()
            prefill = self._process(group)
            if prefill.is_complete:
                rows = [RunningJob(queued, self._base, group.plans[prompt]) for queued, prompt in group.jobs]
                logits = self._batch.add_rows(prefill, group.prompts)
        except Exception as error:
            if len(self._batch) != len(self._rows):
                raise
            self._fail(group, error)
            return
        with self._changed:
            self._prompts.charge(group, time.monotonic() - started)
            if logits is not None:
                self._prompts.starting.remove(group)
                self._rows += rows
                self._prompt_tokens += sum(row.queued.job.num_prompt_tokens for row in rows)
        if logits is not None:
            self._extend(rows, logits)

    def _process(self, group: StartingJobs) -> Prefill:
        """Process at most `max_prefill_tokens` of the prompts of jobs."""
        if group.prefill is None:
            lora = build_lora_batch([plan.adapters for plan in group.plans], self._base)
            group.prefill = Prefill(self._base, [plan.prompt_ids for plan in group.plans], lora)
        group.prefill.advance(self.limits.max_prefill_tokens)
        wait_for_device(self._base.device)  # its time is measured
        return group.prefill

    def _give_quotes(self, group: StartingJobs, seconds: float) -> None:
        """Answer those jobs whose answers are quotes of their documents; no prompt of theirs is processed.

        Args:
            group: jobs that have just been planned.
            seconds: the time that planning took.
        """
        pieces = {queued: quoted_piece(queued.job, group.plans[prompt]) for queued, prompt in group.jobs}
        quoted = {queued: piece for queued, piece in pieces.items() if piece is not None}
        for queued, piece in quoted.items():
            queued.send(piece)
            self._note_seconds(queued)
        with self._changed:
            self._prompts.charge(group, seconds)
            group.drop(quoted)
            if not group.jobs:
                self._prompts.starting.remove(group)
            for queued in quoted:
                self._queue.end(queued.job.owner)

    def _fail(self, group: StartingJobs, error: Exception) -> None:
        """End jobs with an error; if there are several prompts, try each alone, as one may be at fault for all."""
        parts = group.apart()
        with self._changed:
            self._prompts.starting.remove(group)
            if len(parts) > 1:
                self._prompts.starting += parts
        if len(parts) > 1:
            for part in parts:
                self._advance(part)
            return
        _log.exception("a prompt could not be processed")
        with self._changed:
            for queued in group:
                queued.send(client_error(error))
                self._queue.end(queued.job.owner)

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
            starting = [queued for group in self._prompts.starting for queued in group]
            for queued in (*starting, *(row.queued for row in self._rows if not row.finished)):
                queued.send(client_error(error))
            for queued in (*starting, *(row.queued for row in self._rows)):
                self._queue.end(queued.job.owner)
            self._prompts.starting, self._rows = [], []
            self._batch = self._empty_batch()
