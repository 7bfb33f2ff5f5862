"""The local engine: continuous batching over rows with different adapters or none.

One thread owns the decoding batch. Between two steps it drops rows that have ended, were cancelled or are late, and
lets waiting jobs in. Everything else talks to it through a queue under a lock; answers go back to the event loop they
were asked from.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from types import TracebackType

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from lorify.adapters import build_lora_batch
from lorify.answering.plan import Planner, plan_as_requested
from lorify.answering.text import AnswerText
from lorify.base.chat import stop_token_ids
from lorify.base.decoding import DecodingBatch, start_decoding
from lorify.base.model import BaseLM
from lorify.base.sampling import Sampler, sample_tokens
from lorify.errors import BusyError, ClosingError, EngineError, LorifyError, TooSlowError
from lorify.serving.engines.jobs import EngineStatus, FinishReason, Job, Piece, TokenChoice

_log = logging.getLogger(__name__)


class EngineLimits(BaseModel):
    """How much the local engine takes on at a time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_rows: int = Field(default=32, ge=1, description="Answers generated at a time; further ones wait.")
    max_waiting: int = Field(default=128, ge=0, description="Jobs that may wait; further ones are refused.")
    max_cache_tokens: int = Field(
        default=65_536, ge=1, description="Rows times longest sequence that the cache may hold, in tokens."
    )
    max_prefill_tokens: int = Field(
        default=4096, ge=1, description="Prompt tokens read between two steps, so that running answers do not stall."
    )
    timeout_seconds: float = Field(default=300, gt=0, description="Most time from a request to its whole answer.")


@dataclass(eq=False)
class _Ticket:
    """A job with the way back to whoever waits for it."""

    job: Job
    deadline: float
    loop: asyncio.AbstractEventLoop
    pieces: asyncio.Queue[Piece | LorifyError] = field(default_factory=asyncio.Queue)
    cancelled: bool = False

    def send(self, piece: Piece | LorifyError) -> None:
        """Called from the engine's thread."""
        try:
            self.loop.call_soon_threadsafe(self.pieces.put_nowait, piece)
        except RuntimeError:  # the loop is closed: nobody waits any more
            self.cancelled = True


class _Row:
    """A job that is being answered."""

    def __init__(self, ticket: _Ticket, base: BaseLM, *, adapter_on: bool) -> None:
        self.ticket = ticket
        self.adapter_on = adapter_on
        self.sampler = Sampler(ticket.job.options)
        self.text = AnswerText(base.decode_text, ticket.job.stops, trim=ticket.job.trim)
        self.token = 0  # the newest
        self.num_tokens = 0
        self.done = False

    def take(self, token: int, choice: TokenChoice | None, stop_ids: set[int]) -> None:
        """Go on by one token and send what there is to send."""
        ends = token in stop_ids
        if not ends:
            self.text.add(token)
            self.token = token
            self.num_tokens += 1
        reason: FinishReason | None = None
        if ends or self.text.stopped:
            reason = "stop"
        elif self.num_tokens >= self.ticket.job.options.max_new_tokens:
            reason = "length"
        self.done = reason is not None
        choices = () if choice is None or ends else (choice,)
        self.ticket.send(Piece(self.text.take(last=self.done), int(not ends), choices, reason, self.adapter_on))


class LocalEngine:
    """Answers jobs with the base in this process."""

    def __init__(self, base: BaseLM, limits: EngineLimits | None = None, plan: Planner = plan_as_requested) -> None:
        """Start the engine's thread.

        Args:
            base: the base.
            limits: limits on the load.
            plan: chooses and focuses the adapters of jobs when they start; called in the engine's thread.
        """
        self._base, self._plan = base, plan
        self.limits = limits or EngineLimits()
        self._stop_ids = stop_token_ids(base.tokenizer, base.model.generation_config)
        self._changed = threading.Condition()
        self._waiting: deque[_Ticket] = deque()
        self._joining: list[_Ticket] = []  # their prompts are being read
        self._rows: list[_Row] = []
        self._batch = self._empty_batch()
        self._closing = False
        self._prompt_tokens = self._answer_tokens = 0
        self._usual_seconds = 1.0
        self._thread = threading.Thread(target=self._run, name="lorify-engine", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> _LocalAnswer:
        """Take a job; called from an event loop.

        Raises:
            BusyError: if `max_waiting` jobs wait already.
            ClosingError: if the engine is about to end.
        """
        ticket = _Ticket(job, time.monotonic() + self.limits.timeout_seconds, asyncio.get_running_loop())
        with self._changed:
            if self._closing:
                raise ClosingError("the server is about to end; try again in a moment")
            self._waiting = deque(other for other in self._waiting if not other.cancelled)
            waiting, free = len(self._waiting), self.limits.max_rows - self._num_running()
            if waiting - max(0, free) >= self.limits.max_waiting:
                wait = math.ceil(self._usual_seconds * (waiting + 1) / self.limits.max_rows)
                raise BusyError(f"{waiting} requests wait already; try again in {wait} s", max(1, wait))
            self._waiting.append(ticket)
            self._changed.notify_all()
        return _LocalAnswer(ticket)

    def status(self) -> EngineStatus:
        """What it is doing now."""
        with self._changed:
            waiting = sum(not ticket.cancelled for ticket in self._waiting)
            return EngineStatus(self._num_running(), waiting, self._prompt_tokens, self._answer_tokens)

    async def is_healthy(self) -> bool:
        """Whether its thread is there."""
        return self._thread.is_alive()

    def forget(self, documents: Collection[str]) -> None:
        """Nothing: what it has of documents it has from its jobs, and in memory."""

    async def drain(self, timeout_seconds: float) -> None:
        """Take no more jobs, finish those there are, and end; what is unfinished after the time is cancelled."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        await asyncio.to_thread(self._thread.join, timeout_seconds)
        if self._thread.is_alive():
            with self._changed:
                for ticket in (*self._waiting, *self._joining, *(row.ticket for row in self._rows)):
                    ticket.deadline = -math.inf
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._rows or self._closing)
                if not self._waiting and not self._rows:
                    return
                self._drop_ended()
                self._joining = self._next_tickets()
            try:
                if self._joining:
                    self._join(self._joining)
                elif self._rows:
                    tokens = torch.tensor([row.token for row in self._rows], device=self._base.device)
                    self._take(self._rows, self._batch.step(tokens))
            except Exception as error:  # whatever a request may bring about, the engine goes on with the next ones
                _log.exception("a decoding step failed")
                self._fail(error)

    def _num_running(self) -> int:
        return len(self._joining) + len(self._rows)

    def _empty_batch(self) -> DecodingBatch:
        return start_decoding(self._base, self._base.window_tokens)

    def _drop_ended(self) -> None:
        """Drop rows that have ended, and tell those who wait too long."""
        now = time.monotonic()
        for place in reversed(range(len(self._rows))):
            row = self._rows[place]
            if not row.done and not row.ticket.cancelled and now < row.ticket.deadline:
                continue
            if row.done:
                seconds = now - (row.ticket.deadline - self.limits.timeout_seconds)
                self._usual_seconds = 0.9 * self._usual_seconds + 0.1 * min(seconds, self.limits.timeout_seconds)
            elif not row.ticket.cancelled:
                row.ticket.send(self._too_late())
            self._batch.drop_row(place)
            self._rows[place] = self._rows[-1]
            self._rows.pop()
        for ticket in self._waiting:
            if now >= ticket.deadline and not ticket.cancelled:
                ticket.send(self._too_late())
                ticket.cancelled = True
        self._waiting = deque(ticket for ticket in self._waiting if not ticket.cancelled)

    def _too_late(self) -> LorifyError:
        if self._closing:
            return ClosingError("the server ends before the answer is finished; ask again in a moment")
        return TooSlowError(
            f"the answer is not finished within {self.limits.timeout_seconds:g} s; ask for fewer tokens, or when fewer "
            "others do"
        )

    def _next_tickets(self) -> list[_Ticket]:
        """Waiting jobs that may begin now, in the order they came."""
        joining: list[_Ticket] = []
        num_prompt_tokens = 0
        longest = max((_longest(row.ticket) for row in self._rows), default=0)
        while self._waiting and len(self._rows) + len(joining) < self.limits.max_rows:
            ticket = self._waiting[0]
            num_rows = len(self._rows) + len(joining) + 1
            num_prompt_tokens += ticket.job.num_prompt_tokens
            longest = max(longest, _longest(ticket))
            # One alone is always let in.
            if num_rows > 1 and num_rows * longest > self.limits.max_cache_tokens:
                break
            if joining and num_prompt_tokens > self.limits.max_prefill_tokens:
                break
            joining.append(self._waiting.popleft())
        return joining

    def _join(self, tickets: Sequence[_Ticket]) -> None:
        """Read the prompts of new rows and pick the first token of each; what one brings about, it is told alone."""
        try:
            plans = self._plan([ticket.job.request for ticket in tickets])
            lora = build_lora_batch([plan.adapters for plan in plans], self._base)
            logits = self._batch.add_rows([plan.prompt_ids for plan in plans], lora)
        except Exception as error:
            if len(self._batch) != len(self._rows):
                raise
            if len(tickets) > 1:
                for ticket in tickets:
                    self._join([ticket])
                return
            _log.exception("a prompt could not be read")
            tickets[0].send(_told(error))
            with self._changed:
                self._joining.remove(tickets[0])
            return
        rows = [_Row(ticket, self._base, adapter_on=plan.is_on) for ticket, plan in zip(tickets, plans, strict=True)]
        with self._changed:
            self._joining = [ticket for ticket in self._joining if ticket not in tickets]
            self._rows += rows
            self._prompt_tokens += sum(ticket.job.num_prompt_tokens for ticket in tickets)
        self._take(rows, logits)

    def _take(self, rows: list[_Row], logits: Tensor) -> None:
        """Pick the next token of each row from `logits [N, V]` and send it."""
        tokens = sample_tokens(logits, [row.sampler for row in rows]).tolist()
        choices = self._choices(rows, logits, tokens)
        for place, (row, token) in enumerate(zip(rows, tokens, strict=True)):
            row.take(token, choices.get(place), self._stop_ids)
        self._answer_tokens += len(rows)

    def _choices(self, rows: list[_Row], logits: Tensor, tokens: list[int]) -> dict[int, TokenChoice]:
        """What is told of the tokens of rows that asked for it, by place."""
        wanted = [place for place, row in enumerate(rows) if row.ticket.job.top_logprobs is not None]
        if not wanted:
            return {}
        most = max(rows[place].ticket.job.top_logprobs or 0 for place in wanted)
        logprobs = logits[wanted].float().log_softmax(-1)
        top = logprobs.topk(most, dim=-1)
        choices = {}
        for i, place in enumerate(wanted):
            count = rows[place].ticket.job.top_logprobs or 0
            likely = zip(top.indices[i, :count].tolist(), top.values[i, :count].tolist(), strict=True)
            choices[place] = TokenChoice(
                self._token_text(tokens[place]),
                logprobs[i, tokens[place]].item(),
                tuple((self._token_text(token), logprob) for token, logprob in likely),
            )
        return choices

    def _token_text(self, token: int) -> str:
        return str(self._base.tokenizer.decode([token]))

    def _fail(self, error: Exception) -> None:
        """Break off all that runs; the next ones begin with an empty batch."""
        with self._changed:
            for ticket in (*self._joining, *(row.ticket for row in self._rows if not row.done)):
                ticket.send(_told(error))
            self._joining, self._rows = [], []
            self._batch = self._empty_batch()


class _LocalAnswer:
    """The answer to one job."""

    def __init__(self, ticket: _Ticket) -> None:
        self._ticket = ticket

    async def __aenter__(self) -> AsyncIterator[Piece]:
        return self._pieces()

    async def __aexit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ticket.cancelled = True

    def __del__(self) -> None:
        self._ticket.cancelled = True  # nobody ever began to read it

    async def _pieces(self) -> AsyncIterator[Piece]:
        while True:
            piece = await self._ticket.pieces.get()
            if isinstance(piece, LorifyError):
                raise piece
            yield piece
            if piece.finish_reason is not None:
                return


def _told(error: Exception) -> LorifyError:
    """What a client is told."""
    return error if isinstance(error, LorifyError) else EngineError(f"the engine failed ({type(error).__name__})")


def _longest(ticket: _Ticket) -> int:
    return ticket.job.num_prompt_tokens + ticket.job.options.max_new_tokens
