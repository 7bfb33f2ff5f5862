"""An engine elsewhere: adapters are made here, and a vLLM server answers with them.

Prompts go there as token ids, through `/v1/completions`, so that chat templates and the choice of adapters are the
same for every engine.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any, TypeVar

import httpx2
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lorify.adapters import AdapterStack
from lorify.base.chat import stop_token_ids
from lorify.base.model import BaseLM
from lorify.errors import BusyError, ClosingError, EngineError, RequestError, ServingError, TooSlowError, first_problem
from lorify.serving.engines.answer_text import AnswerText
from lorify.serving.engines.jobs import EngineStatus, Focus, Job, Piece, TokenChoice
from lorify.serving.engines.vllm_adapters import LoadedAdapters
from lorify.serving.engines.vllm_format import CompletionEvent, Logprobs, ModelList, ServedModel, error_message

CONNECT_SECONDS = 10.0
HEALTH_SECONDS = 3.0
REPLY_SECONDS = 10.0  # to what is no work
RETRY_SECONDS = 5
KEY_VARIABLE = "VLLM_API_KEY"
"""Environment variable that vLLM takes its key from."""

Body = TypeVar("Body", bound=BaseModel)

_log = logging.getLogger(__name__)


class _NotServedError(EngineError):
    """The server does not know the model: it has begun anew."""


class VllmLimits(BaseModel):
    """How a vLLM server is used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_jobs: int = Field(default=256, ge=1, description="Answers asked for at a time; further ones are refused.")
    max_loaded: int = Field(default=64, ge=1, description="Adapters loaded there at a time; idle ones go first.")
    max_folder_bytes: int = Field(
        default=10 << 30, ge=1, description="Size of the adapters written for it; the oldest idle ones are removed."
    )
    focus: bool = Field(
        default=True,
        description="An adapter of its own for each question, written and loaded before and removed after its answer; "
        "false: one for all questions, which stays, and answers less well.",
    )
    timeout_seconds: float = Field(default=300, gt=0, description="Most time from a request to its whole answer.")
    base_model: str | None = Field(
        default=None, description="What the server calls the base, or its folder there, if not as it is called here."
    )
    api_key: str | None = Field(default=None, description="The server's `--api-key`; by default $VLLM_API_KEY.")


class VllmEngine:
    """Answers jobs through a vLLM server."""

    def __init__(
        self,
        base: BaseLM,
        endpoint: str,
        adapters_dir: Path,
        limits: VllmLimits | None = None,
        focus: Focus | None = None,
    ) -> None:
        """Prepare; the server need not be there yet.

        Args:
            base: the base here; the server runs the same weights.
            endpoint: its address, such as `http://10.0.0.5:8000`.
            adapters_dir: where adapters are written; the server reads them under the same path.
            limits: how much is asked of it.
            focus: makes adapters for the questions of jobs.
        """
        self._base = base
        # One at a time: each takes all cores.
        self._focusing = ThreadPoolExecutor(1, thread_name_prefix="lorify-focus")
        self._endpoint = endpoint.rstrip("/").removesuffix("/v1")
        self.limits = limits or VllmLimits()
        self._focus = focus if self.limits.focus else None
        self._stop_ids = sorted(stop_token_ids(base.tokenizer, base.model.generation_config))
        self._adapters = LoadedAdapters(
            base,
            adapters_dir.resolve(),
            max_loaded=self.limits.max_loaded,
            max_bytes=self.limits.max_folder_bytes,
            load=self._load,
            unload=self._unload,
        )
        self._client: httpx2.AsyncClient | None = None
        self._served_base: ServedModel | None = None
        self._num_jobs = 0
        self._closing = False
        self._prompt_tokens = self._answer_tokens = 0

    def submit(self, job: Job) -> _RemoteAnswer:
        """Take a job; it is sent when its answer is read.

        Raises:
            BusyError: if `max_jobs` are being answered already.
            ClosingError: if the engine is about to end.
        """
        if self._closing:
            raise ClosingError("the server is about to end; try again in a moment")
        if self._num_jobs >= self.limits.max_jobs:
            raise BusyError(f"{self._num_jobs} requests are being answered already; try again in 5 s", 5)
        self._num_jobs += 1
        return _RemoteAnswer(self, job)

    def end_job(self) -> None:
        """An answer is read, or nobody is going to."""
        self._num_jobs -= 1

    def status(self) -> EngineStatus:
        """What it is doing now; what waits there is not known here."""
        return EngineStatus(self._num_jobs, 0, self._prompt_tokens, self._answer_tokens)

    async def is_healthy(self) -> bool:
        """Whether the server says so, and serves the base."""
        try:
            async with self._reached():
                response = await self._http().get("/health", timeout=HEALTH_SECONDS)
            if response.is_error:
                return False
            await self._base_there()
        except ServingError as error:
            _log.warning("%s", error)
            return False
        return True

    def forget(self, documents: Collection[str]) -> None:
        """Have the server unload what was made of deleted documents, and remove it from the adapters' folder."""
        self._adapters.forget(documents)

    async def drain(self, timeout_seconds: float) -> None:
        """Take no more jobs, wait for those there are, and end."""
        self._closing = True
        deadline = time.monotonic() + timeout_seconds
        while self._num_jobs and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        await self._adapters.settle()
        self._focusing.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            await self._client.aclose()

    async def pieces(self, job: Job) -> AsyncGenerator[Piece, None]:
        """Send a job and read its answer."""
        try:
            async with asyncio.timeout(self.limits.timeout_seconds):
                row = await self._focused(job)
                try:
                    async with aclosing(self._attempt(job, row)) as pieces:
                        async for piece in pieces:
                            yield piece
                except _NotServedError:  # nothing was answered yet
                    async with aclosing(self._attempt(job, row)) as pieces:
                        async for piece in pieces:
                            yield piece
        except TimeoutError as error:
            raise TooSlowError(
                f"the answer is not finished within {self.limits.timeout_seconds:g} s; ask for fewer tokens, or when "
                "fewer others do"
            ) from error

    async def _focused(self, job: Job) -> AdapterStack:
        """What a job is answered with."""
        if self._focus is None or job.adapter.is_empty or job.question is None:
            return job.adapter
        loop = asyncio.get_running_loop()
        (row,) = await loop.run_in_executor(self._focusing, self._focus, [job.adapter], [job.question])
        return row

    async def _attempt(self, job: Job, row: AdapterStack) -> AsyncGenerator[Piece, None]:
        base = await self._base_there()
        name = await self._adapters.acquire(row, base.root or base.id, once=row is not job.adapter)
        try:
            async with aclosing(self._stream(job, name or base.id)) as pieces:
                async for piece in pieces:
                    yield piece
        except _NotServedError:
            self._served_base = None
            self._adapters.lose(name)
            raise
        finally:
            self._adapters.release(name)

    async def _stream(self, job: Job, model: str) -> AsyncGenerator[Piece, None]:
        parts: list[str] = []
        text = AnswerText(lambda ids: "".join(parts[i] for i in ids), (), trim=job.trim)
        finish: str | None = None
        num_tokens = 0
        async with aclosing(self._events(self._request(job, model))) as events:
            async for event in events:
                if event.usage is not None:
                    num_tokens = event.usage.completion_tokens
                for choice in event.choices:
                    parts.append(choice.text or "")
                    text.add(len(parts) - 1)
                    finish = choice.finish_reason or finish
                    yield Piece(text.take(), 0, _choices(choice.logprobs))
        if finish is None:
            raise EngineError(f"vLLM at {self._endpoint} broke the answer off; ask again")
        self._prompt_tokens += len(job.prompt)
        self._answer_tokens += num_tokens
        yield Piece(text.take(last=True), num_tokens, (), "length" if finish == "length" else "stop")

    def _request(self, job: Job, model: str) -> dict[str, Any]:
        return {
            "model": model,
            "prompt": list(job.prompt),
            "max_tokens": job.max_tokens,
            "temperature": job.sampling.temperature,
            "top_p": max(job.sampling.top_p, 1e-6),  # vLLM takes no 0
            "seed": job.sampling.seed,
            "stop": list(job.stops),
            "stop_token_ids": self._stop_ids,
            "logprobs": job.top_logprobs,
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    async def _events(self, body: dict[str, Any]) -> AsyncGenerator[CompletionEvent, None]:
        async with self._reached():
            async with self._http().stream("POST", "/v1/completions", json=body) as response:
                if response.is_error:
                    await response.aread()
                    if response.status_code == 400:
                        raise RequestError(_said(response))
                    raise self._refusal(response)
                async for line in response.aiter_lines():
                    data = line.removeprefix("data:").strip()
                    if line.startswith("data:") and data != "[DONE]":
                        event = self._read(CompletionEvent, data)
                        if event.error is not None:
                            raise EngineError(f"vLLM at {self._endpoint} failed: {error_message(event.error)}")
                        yield event

    async def _base_there(self) -> ServedModel:
        """The base as the server has it.

        Raises:
            EngineError: if it serves another.
        """
        if self._served_base is None:
            async with self._reached():
                response = await self._http().get("/v1/models", timeout=REPLY_SECONDS)
            if response.is_error:
                raise self._refusal(response)
            bases = [model for model in self._read(ModelList, response.content).data if not model.parent]
            wanted = self.limits.base_model or self._base.name
            found = next((model for model in bases if _is_called(model, wanted)), None)
            if found is None:
                raise EngineError(
                    f"vLLM at {self._endpoint} serves {', '.join(model.id for model in bases) or 'no base model'}, "
                    f"expected {wanted}; start it with that base, or if it is that one under another name give "
                    "--set vllm.base_model=NAME"
                )
            self._served_base = found
        return self._served_base

    async def _load(self, name: str, folder: Path) -> None:
        body = {"lora_name": name, "lora_path": str(folder)}
        async with self._reached():
            response = await self._http().post("/v1/load_lora_adapter", json=body)
        if response.is_error and "already" not in response.text:
            raise self._refusal(
                response,
                "does not load the adapter",
                "start it with --enable-lora, a --max-lora-rank that is large enough, "
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 and the adapters' folder",
            )

    async def _unload(self, name: str) -> None:
        async with self._reached():
            body = {"lora_name": name}
            response = await self._http().post("/v1/unload_lora_adapter", json=body, timeout=REPLY_SECONDS)
        if response.is_error and response.status_code != 404:  # it does not have it
            raise self._refusal(response)

    def _refusal(self, response: httpx2.Response, what: str = "refuses", way_out: str = "") -> ServingError:
        """What a request that the server refused ends with.

        Args:
            response: its answer.
            what: what the server does not do.
            way_out: what can be done, if the status does not tell.
        """
        told = f"vLLM at {self._endpoint} {what}: {_said(response)}"
        status = response.status_code
        if status == 429:
            wait = response.headers.get("retry-after", "")
            seconds = max(1, int(wait)) if wait.isdecimal() else RETRY_SECONDS
            return BusyError(f"{told}; try again in {seconds} s", seconds)
        if status == 503:
            return ClosingError(f"{told}; try again in a moment")
        if status in (401, 403):
            return EngineError(f"{told}; give lorify its key with the environment variable {KEY_VARIABLE}")
        told = f"{told}; {way_out}" if way_out else told
        return _NotServedError(told) if status == 404 and not way_out else EngineError(told)

    def _read(self, kind: type[Body], data: str | bytes) -> Body:
        """What the server says, if it is what its API promises."""
        try:
            return kind.model_validate_json(data)
        except ValidationError as error:
            raise EngineError(
                f"vLLM at {self._endpoint} does not speak its API ({first_problem(error)}); mend --endpoint"
            ) from error

    @asynccontextmanager
    async def _reached(self) -> AsyncIterator[None]:
        """What goes wrong on the way becomes an EngineError."""
        try:
            yield
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            self._served_base = None
            raise EngineError(
                f"vLLM at {self._endpoint} cannot be reached ({type(error).__name__}); start it, or mend --endpoint"
            ) from error

    def _http(self) -> httpx2.AsyncClient:
        if self._client is None:
            key = self.limits.api_key
            self._client = httpx2.AsyncClient(
                base_url=self._endpoint,
                headers={} if key is None else {"Authorization": f"Bearer {key}"},
                timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
                limits=httpx2.Limits(max_connections=None),
                trust_env=False,
            )
        if self._client.is_closed:
            raise ClosingError("the server is about to end; try again in a moment")
        return self._client


class _RemoteAnswer:
    """The answer to one job, which holds one of `max_jobs` places until it is left or dropped."""

    def __init__(self, engine: VllmEngine, job: Job) -> None:
        self._pieces = engine.pieces(job)
        self._end = weakref.finalize(self, engine.end_job)
        self._end.atexit = False

    async def __aenter__(self) -> AsyncIterator[Piece]:
        return self._pieces

    async def __aexit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._pieces.aclose()  # closes the connection, at which vLLM stops
        finally:
            self._end()


def _is_called(model: ServedModel, wanted: str) -> bool:
    """Whether a served model has a name, or comes from a folder or repository of that name."""
    last = PurePath(wanted).name.casefold()
    return any(PurePath(name).name.casefold() == last for name in (model.id, model.root or model.id))


def _choices(logprobs: Logprobs | None) -> tuple[TokenChoice, ...]:
    if logprobs is None:
        return ()
    tops = logprobs.top_logprobs or [None] * len(logprobs.tokens)
    return tuple(
        TokenChoice(token, logprob, tuple((top or {}).items()))
        for token, logprob, top in zip(logprobs.tokens, logprobs.token_logprobs, tops, strict=True)
    )


def _said(response: httpx2.Response) -> str:
    """An error of the server in its own words."""
    try:
        return error_message(response.json())
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        return f"status {response.status_code}"
