"""The vLLM engine: adapters are generated here, and a vLLM server answers with them.

Prompts are sent as token ids to `/v1/completions`, so that the chat template and the choice of adapters are the same
for all engines.
"""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from lorify.answering.plan import AnswerPlan, Planner, plan_as_requested
from lorify.answering.text import AnswerText
from lorify.base.constraints import Constraint
from lorify.base.model import BaseLM
from lorify.errors import BusyError, ClosingError, EngineError, RequestError, ServingError, TooSlowError
from lorify.serving.engines.jobs import EngineStatus, Job, Piece, TokenChoice, quoted_piece
from lorify.serving.engines.vllm_adapters import LoadedAdapters
from lorify.serving.engines.vllm_client import RETRY_SECONDS, NotServedError, VllmClient
from lorify.serving.engines.vllm_format import Logprobs
from lorify.serving.limits.sharing import owner_limit
from lorify.serving.limits.workers import Workers

_log = logging.getLogger(__name__)


class VllmLimits(BaseModel):
    """Limits and settings of the vLLM engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_jobs: int = Field(default=256, ge=1, description="Running answers; further requests get status 429.")
    max_loaded: int = Field(default=64, ge=1, description="Adapters loaded on the server; more only while in use.")
    max_folder_bytes: int = Field(
        default=10 << 30, ge=1, description="Limit on the size of the adapters written for the server."
    )
    focus: bool = Field(
        default=True,
        description="Focus the adapter on each question: one per question is written, loaded and afterwards removed. "
        "false: one adapter for all questions, which stays loaded and answers less accurately.",
    )
    timeout_seconds: float = Field(default=300, gt=0, description="Time limit from a request to its complete answer.")
    base_model: str | None = Field(
        default=None, description="Name of the base on the server, or of its folder there, if it differs from `--base`."
    )
    api_key: str | None = Field(default=None, description="The server's `--api-key`; $VLLM_API_KEY by default.")


class VllmEngine:
    """Answers jobs through a vLLM server."""

    def __init__(
        self,
        base: BaseLM,
        endpoint: str,
        adapters_dir: Path,
        limits: VllmLimits | None = None,
        plan: Planner = plan_as_requested,
        max_share: float = 1.0,
    ) -> None:
        """Prepare; the server need not be running yet.

        Args:
            base: the base, with the same weights as on the server.
            endpoint: its address, such as `http://10.0.0.5:8000`.
            adapters_dir: where adapters are written; the server reads them under the same path.
            limits: limits and settings; the defaults if None.
            plan: chooses and focuses the adapters of jobs; called in a worker thread.
            max_share: share of `max_jobs` that one owner may take, 0 to 1.
        """
        self._base = base
        self._plan = plan
        self.limits = limits or VllmLimits()
        # One at a time: each uses all cores.
        self._planning = Workers("adapters to be focused", 1, self.limits.max_jobs, max_share)
        self._client = VllmClient(endpoint, base_name=self.limits.base_model or base.name, api_key=self.limits.api_key)
        self._stop_ids = sorted(base.stop_ids)
        self._adapters = LoadedAdapters(
            base,
            adapters_dir.resolve(),
            max_loaded=self.limits.max_loaded,
            max_bytes=self.limits.max_folder_bytes,
            load=self._client.load_adapter,
            unload=self._client.unload_adapter,
        )
        self._max_owner_jobs = owner_limit(self.limits.max_jobs, max_share)
        self._jobs: Counter[str] = Counter()
        self._closing = False
        self._prompt_tokens = self._answer_tokens = 0

    def submit(self, job: Job) -> _VllmAnswerStream:
        """Accept a job; it is sent when its answer is read.

        Raises:
            BusyError: if `max_jobs` jobs are running.
            ClosingError: if the engine is shutting down.
        """
        if self._closing:
            raise ClosingError("the server is shutting down; try again in a moment")
        own, total = self._jobs[job.owner], self._jobs.total()
        if total >= self.limits.max_jobs or own >= self._max_owner_jobs:
            answered = f"{total} requests are" if total >= self.limits.max_jobs else f"{own} of your requests are"
            raise BusyError(f"{answered} being answered; try again in {RETRY_SECONDS} s", RETRY_SECONDS)
        self._jobs[job.owner] += 1
        return _VllmAnswerStream(self, job)

    def end_job(self, owner: str) -> None:
        """Free the slot of a job whose answer has ended or was dropped."""
        self._jobs[owner] -= 1

    def status(self) -> EngineStatus:
        """Return the current load; the length of the server's own queue is unknown."""
        return EngineStatus(self._jobs.total(), 0, self._prompt_tokens, self._answer_tokens)

    async def is_healthy(self) -> bool:
        """Return whether the server is healthy and serves the base."""
        try:
            if not await self._client.is_up():
                return False
            await self._client.base()
        except ServingError as error:
            _log.warning("%s", error)
            return False
        return True

    def forget(self, documents: Collection[str]) -> None:
        """Unload and delete all adapters that contain deleted documents, once they are not in use."""
        self._adapters.forget(documents)

    async def drain(self, timeout_seconds: float) -> None:
        """Accept no more jobs, wait for the running ones, and shut down."""
        self._closing = True
        deadline = time.monotonic() + timeout_seconds
        while self._jobs.total() and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        await self._adapters.settle()
        self._planning.close()
        await self._client.close()

    async def pieces(self, job: Job) -> AsyncGenerator[Piece, None]:
        """Send a job and yield its answer."""
        try:
            async with asyncio.timeout(self.limits.timeout_seconds):
                plan = await self._planned(job)
                try:
                    async with aclosing(self._attempt(job, plan)) as pieces:
                        async for piece in pieces:
                            yield piece
                except NotServedError:  # the answer has not begun, so it can be sent again
                    async with aclosing(self._attempt(job, plan)) as pieces:
                        async for piece in pieces:
                            yield piece
        except TimeoutError as error:
            raise TooSlowError(
                f"the answer was not finished within {self.limits.timeout_seconds:g} s; ask for fewer tokens, or try "
                "again later"
            ) from error

    async def _planned(self, job: Job) -> AnswerPlan:
        """Choose and focus the adapters of a job."""
        request = replace(job.request, focus=job.request.focus and self.limits.focus)
        if request.adapters.is_empty:
            return AnswerPlan(request.prompt_ids)
        (plan,) = await self._planning.run(partial(self._plan, [request]), job.owner)
        return plan

    async def _attempt(self, job: Job, plan: AnswerPlan) -> AsyncGenerator[Piece, None]:
        quoted = quoted_piece(job, plan)
        if quoted is not None:
            yield quoted
            return
        base = await self._client.base()
        is_focused = not set(plan.adapters.adapters) <= set(job.request.adapters.adapters)
        name = await self._adapters.acquire(plan.adapters, base.root or base.id, once=is_focused)
        try:
            async with aclosing(self._stream(job, plan, name or base.id)) as pieces:
                async for piece in pieces:
                    yield piece
        except NotServedError:
            self._client.forget_base()
            self._adapters.lose(name)
            raise
        finally:
            self._adapters.release(name)

    async def _stream(self, job: Job, plan: AnswerPlan, model: str) -> AsyncGenerator[Piece, None]:
        parts: list[str] = []
        text = AnswerText(lambda ids: "".join(parts[i] for i in ids), (), trim=job.trim)
        finish: str | None = None
        num_tokens = 0
        async with aclosing(self._client.complete(self._request(job, plan, model))) as events:
            async for event in events:
                if event.usage is not None:
                    num_tokens = event.usage.completion_tokens
                for choice in event.choices:
                    parts.append(choice.text or "")
                    text.add(len(parts) - 1)
                    finish = choice.finish_reason or finish
                    yield Piece(text.take(), 0, _choices(choice.logprobs), adapter_on=plan.is_on)
        if finish is None:
            raise EngineError(f"vLLM at {self._client.endpoint} broke off the answer; ask again")
        self._prompt_tokens += job.num_prompt_tokens
        self._answer_tokens += num_tokens
        reason = "length" if finish == "length" else "stop"
        yield Piece(text.take(last=True), num_tokens, (), reason, plan.is_on, plan if job.with_plan else None)

    def _request(self, job: Job, plan: AnswerPlan, model: str) -> dict[str, Any]:
        return {
            "model": model,
            "prompt": list(job.request.prompt_ids),
            "max_tokens": job.options.max_new_tokens,
            "temperature": job.options.temperature,
            "top_p": max(job.options.top_p, 1e-6),  # vLLM refuses 0
            "seed": job.options.seed,
            "presence_penalty": job.options.presence_penalty,
            "frequency_penalty": job.options.frequency_penalty,
            "logit_bias": {str(token): bias for token, bias in job.options.logit_bias} or None,
            "structured_outputs": _structured_outputs(plan.narrowed(job.options).constraint),
            "stop": list(job.stops),
            "stop_token_ids": self._stop_ids,
            "logprobs": job.top_logprobs,
            "stream": True,
            "stream_options": {"include_usage": True},
        }


class _VllmAnswerStream:
    """The answer to one job. It holds one of `max_jobs` slots until it is closed or garbage-collected."""

    def __init__(self, engine: VllmEngine, job: Job) -> None:
        self._pieces = engine.pieces(job)
        self._end = weakref.finalize(self, engine.end_job, job.owner)
        self._end.atexit = False

    async def __aenter__(self) -> AsyncIterator[Piece]:
        return self._pieces

    async def __aexit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._pieces.aclose()  # closes the connection, which makes vLLM stop
        finally:
            self._end()


def _structured_outputs(constraint: Constraint | None) -> dict[str, Any] | None:
    """The form of an answer as vLLM takes it."""
    if constraint is None:
        return None
    if constraint.json_schema is None:
        raise RequestError("functions are called with the local engine only; leave out tools", param="tools")
    return {"json": constraint.json_schema}


def _choices(logprobs: Logprobs | None) -> tuple[TokenChoice, ...]:
    if logprobs is None:
        return ()
    tops = logprobs.top_logprobs or [None] * len(logprobs.tokens)
    return tuple(
        TokenChoice(token, logprob, tuple((top or {}).items()))
        for token, logprob, top in zip(logprobs.tokens, logprobs.token_logprobs, tops, strict=True)
    )
