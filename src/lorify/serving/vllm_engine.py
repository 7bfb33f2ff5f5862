"""An engine elsewhere: adapters are made here, and a vLLM server answers with them.

Prompts go there as token ids, through `/v1/completions`, so that chat templates and the choice of adapters are the
same for every engine.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx2
from pydantic import BaseModel as PydanticModel
from pydantic import ConfigDict, Field

from lorify.base.chat import stop_token_ids
from lorify.base.model import BaseModel
from lorify.errors import BusyError, ClosingError, EngineError, TooSlowError
from lorify.serving.answer_text import AnswerText
from lorify.serving.jobs import EngineStatus, Job, Piece, TokenChoice
from lorify.serving.vllm_adapters import LoadedAdapters

CONNECT_SECONDS = 10.0
HEALTH_SECONDS = 3.0

_log = logging.getLogger(__name__)


class VllmLimits(PydanticModel):
    """How a vLLM server is used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_jobs: int = Field(default=256, ge=1, description="Answers asked for at a time; further ones are refused.")
    max_loaded: int = Field(default=64, ge=1, description="Adapters loaded there at a time; idle ones go first.")
    timeout_seconds: float = Field(default=300, gt=0, description="Most time from a request to its whole answer.")
    api_key: str | None = Field(default=None, description="The server's `--api-key`, if it has one.")


class VllmEngine:
    """Answers jobs through a vLLM server."""

    def __init__(self, base: BaseModel, endpoint: str, adapters_dir: Path, limits: VllmLimits | None = None) -> None:
        """Prepare; the server need not be there yet.

        Args:
            base: the base here; the server runs the same weights.
            endpoint: its address, such as `http://10.0.0.5:8000`.
            adapters_dir: where adapters are written; the server reads them under the same path.
            limits: how much is asked of it.
        """
        self._base = base
        self._endpoint = endpoint.rstrip("/").removesuffix("/v1")
        self.limits = limits or VllmLimits()
        self._stop_ids = sorted(stop_token_ids(base.tokenizer, base.model.generation_config))
        self._adapters = LoadedAdapters(base, adapters_dir.resolve(), self.limits.max_loaded, self._load, self._unload)
        self._client: httpx2.AsyncClient | None = None
        self._remote_base: str | None = None
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
        return _RemoteAnswer(self, job)

    def status(self) -> EngineStatus:
        """What it is doing now; what waits there is not known here."""
        return EngineStatus(self._num_jobs, 0, self._prompt_tokens, self._answer_tokens)

    async def is_healthy(self) -> bool:
        """Whether the server says so."""
        try:
            return not (await self._http().get("/health", timeout=HEALTH_SECONDS)).is_error
        except httpx2.HTTPError:
            return False

    async def drain(self, timeout_seconds: float) -> None:
        """Take no more jobs, wait for those there are, and end."""
        self._closing = True
        deadline = time.monotonic() + timeout_seconds
        while self._num_jobs and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        if self._client is not None:
            await self._client.aclose()

    async def pieces(self, job: Job) -> AsyncGenerator[Piece, None]:
        """Send a job and read its answer."""
        self._num_jobs += 1
        try:
            async with asyncio.timeout(self.limits.timeout_seconds):
                base_name = await self._base_name()
                name = await self._adapters.acquire(job.adapter, base_name)
                try:
                    async with aclosing(self._stream(job, name or base_name)) as stream:
                        async for piece in stream:
                            yield piece
                finally:
                    self._adapters.release(name)
        except TimeoutError as error:
            raise TooSlowError(
                f"the answer is not finished within {self.limits.timeout_seconds:g} s; ask for fewer tokens, or when "
                "fewer others do"
            ) from error
        finally:
            self._num_jobs -= 1

    async def _stream(self, job: Job, model: str) -> AsyncGenerator[Piece, None]:
        parts: list[str] = []
        text = AnswerText(lambda ids: "".join(parts[i] for i in ids), (), trim=job.trim)
        finish: Any = None
        num_tokens = 0
        async with aclosing(self._events(self._request(job, model))) as events:
            async for event in events:
                usage = event.get("usage") or {}
                num_tokens = usage.get("completion_tokens", num_tokens)
                for choice in event.get("choices", ()):
                    parts.append(choice.get("text") or "")
                    text.add(len(parts) - 1)
                    finish = choice.get("finish_reason") or finish
                    yield Piece(text.take(), 0, _choices(choice.get("logprobs")))
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

    async def _events(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        async with self._reached():
            async with self._http().stream("POST", "/v1/completions", json=body) as response:
                if response.is_error:
                    await response.aread()
                    if response.status_code == 404:  # it has begun anew and lost its adapters
                        self._adapters.forget()
                    raise EngineError(f"vLLM at {self._endpoint} refuses: {_said(response)}")
                async for line in response.aiter_lines():
                    data = line.removeprefix("data:").strip()
                    if line.startswith("data:") and data != "[DONE]":
                        event = json.loads(data)
                        if "error" in event:
                            raise EngineError(f"vLLM at {self._endpoint} failed: {_message(event)}")
                        yield event

    async def _base_name(self) -> str:
        """What the server calls the base."""
        base = self._remote_base
        if base is None:
            async with self._reached():
                response = await self._http().get("/v1/models")
                if response.is_error:
                    raise EngineError(f"vLLM at {self._endpoint} refuses: {_said(response)}")
                bases = [model["id"] for model in response.json()["data"] if not model.get("parent")]
            if not bases:
                raise EngineError(f"vLLM at {self._endpoint} serves no base model; mend --endpoint")
            base = self._remote_base = str(bases[0])
        return base

    async def _load(self, name: str, folder: Path) -> None:
        body = {"lora_name": name, "lora_path": str(folder)}
        async with self._reached():
            response = await self._http().post("/v1/load_lora_adapter", json=body)
        if response.is_error and "already" not in response.text:
            raise EngineError(
                f"vLLM at {self._endpoint} does not load the adapter: {_said(response)}; start it with --enable-lora, "
                "a --max-lora-rank that is large enough, VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 and the adapters' folder"
            )

    async def _unload(self, name: str) -> None:
        async with self._reached():
            response = await self._http().post("/v1/unload_lora_adapter", json={"lora_name": name})
        if response.is_error:  # it has room of its own to make
            _log.warning("vLLM does not unload an adapter: %s", _said(response))

    @asynccontextmanager
    async def _reached(self) -> AsyncIterator[None]:
        """What goes wrong on the way becomes an EngineError."""
        try:
            yield
        except (httpx2.HTTPError, json.JSONDecodeError, KeyError) as error:
            self._remote_base = None
            self._adapters.forget()
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
        return self._client


class _RemoteAnswer:
    """The answer to one job."""

    def __init__(self, engine: VllmEngine, job: Job) -> None:
        self._pieces = engine.pieces(job)

    async def __aenter__(self) -> AsyncIterator[Piece]:
        return self._pieces

    async def __aexit__(
        self, type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._pieces.aclose()  # closes the connection, at which vLLM stops


def _choices(logprobs: dict[str, Any] | None) -> tuple[TokenChoice, ...]:
    if not logprobs:
        return ()
    tops = logprobs.get("top_logprobs") or [{}] * len(logprobs["tokens"])
    return tuple(
        TokenChoice(token, logprob, tuple((top or {}).items()))
        for token, logprob, top in zip(logprobs["tokens"], logprobs["token_logprobs"], tops, strict=True)
    )


def _said(response: httpx2.Response) -> str:
    """An error of the server in its own words."""
    try:
        return _message(response.json())
    except (json.JSONDecodeError, UnicodeDecodeError):
        return f"status {response.status_code}"


def _message(body: dict[str, Any]) -> str:
    error = body.get("error", body)
    told = error.get("message", error) if isinstance(error, dict) else error
    return " ".join(str(told).split())[:500]
