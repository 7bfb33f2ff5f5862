"""The HTTP API of a vLLM server: its models, its adapters and streamed completions."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePath
from typing import Any, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from lorify.errors import BusyError, ClosingError, EngineError, RequestError, ServingError, first_problem
from lorify.serving.engines.vllm_format import CompletionEvent, ServedModel, VllmModelList, error_message

CONNECT_SECONDS = 10.0
HEALTH_SECONDS = 3.0
REPLY_SECONDS = 10.0
"""Time limit of requests that do not wait for a model."""
RETRY_SECONDS = 5
KEY_VARIABLE = "VLLM_API_KEY"
"""Environment variable from which vLLM reads its API key."""

Body = TypeVar("Body", bound=BaseModel)


class NotServedError(EngineError):
    """The server does not have the model or adapter: it has been restarted, or has evicted the adapter."""


class VllmClient:
    """Requests to one vLLM server; used from one event loop."""

    def __init__(self, endpoint: str, *, base_name: str, api_key: str | None) -> None:
        """Prepare; the server need not be running yet.

        Args:
            endpoint: its address, such as `http://10.0.0.5:8000`.
            base_name: name of the base on the server, or of its folder there.
            api_key: the server's key, if it has one.
        """
        self.endpoint = endpoint.rstrip("/").removesuffix("/v1")
        self._base_name = base_name
        self._api_key = api_key
        self._http_client: httpx2.AsyncClient | None = None
        self._served_base: ServedModel | None = None

    async def is_up(self) -> bool:
        """Return whether the server reports that it is healthy.

        Raises:
            EngineError: if it cannot be reached.
        """
        async with self._connection() as http:
            response = await http.get("/health", timeout=HEALTH_SECONDS)
        return not response.is_error

    async def base(self) -> ServedModel:
        """Return the base as the server lists it; the server is asked once.

        Raises:
            EngineError: if it serves another base.
        """
        if self._served_base is None:
            async with self._connection() as http:
                response = await http.get("/v1/models", timeout=REPLY_SECONDS)
            if response.is_error:
                raise self._error(response)
            bases = [model for model in self._parse(VllmModelList, response.content).data if not model.parent]
            found = next((model for model in bases if _has_name(model, self._base_name)), None)
            if found is None:
                raise EngineError(
                    f"vLLM at {self.endpoint} serves {', '.join(model.id for model in bases) or 'no base model'}, "
                    f"expected {self._base_name}; start it with that base, or if it has the same base under another "
                    "name give --set vllm.base_model=NAME"
                )
            self._served_base = found
        return self._served_base

    def forget_base(self) -> None:
        """Ask the server for its base again next time."""
        self._served_base = None

    async def load_adapter(self, name: str, folder: Path) -> None:
        """Make the server load an adapter, unless it has it already.

        Raises:
            EngineError: if it refuses.
        """
        async with self._connection() as http:
            response = await http.post("/v1/load_lora_adapter", json={"lora_name": name, "lora_path": str(folder)})
        if response.is_error and "already" not in response.text:
            raise self._error(
                response,
                "does not load the adapter",
                "start it with --enable-lora, a --max-lora-rank that is large enough, "
                "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 and access to the adapters' folder",
            )

    async def unload_adapter(self, name: str) -> None:
        """Make the server unload an adapter, if it has it.

        Raises:
            ServingError: if it refuses.
        """
        async with self._connection() as http:
            response = await http.post("/v1/unload_lora_adapter", json={"lora_name": name}, timeout=REPLY_SECONDS)
        if response.is_error and response.status_code != 404:  # 404: the adapter is not loaded
            raise self._error(response)

    async def complete(self, body: dict[str, Any]) -> AsyncGenerator[CompletionEvent, None]:
        """Stream a completion.

        Args:
            body: the request, in the format of `/v1/completions`.

        Raises:
            RequestError: if the server finds the request invalid.
            NotServedError: if the server does not have the model.
            ServingError: if it refuses for another reason, or the answer breaks off.
        """
        async with self._connection() as http, http.stream("POST", "/v1/completions", json=body) as response:
            if response.is_error:
                await response.aread()
                if response.status_code == 400:
                    raise RequestError(_message_of(response))
                raise self._error(response)
            async for line in response.aiter_lines():
                data = line.removeprefix("data:").strip()
                if line.startswith("data:") and data != "[DONE]":
                    event = self._parse(CompletionEvent, data)
                    if event.error is not None:
                        raise EngineError(f"vLLM at {self.endpoint} failed: {error_message(event.error)}")
                    yield event

    async def close(self) -> None:
        """Close all connections; later requests raise a ClosingError."""
        if self._http_client is not None:
            await self._http_client.aclose()

    def _error(self, response: httpx2.Response, problem: str = "refuses", remedy: str = "") -> ServingError:
        """Build the error for a refused request.

        Args:
            response: the server's response.
            problem: what the server does not do.
            remedy: what to do about it, if the status does not imply it.
        """
        message = f"vLLM at {self.endpoint} {problem}: {_message_of(response)}"
        status = response.status_code
        if status == 429:
            wait = response.headers.get("retry-after", "")
            seconds = max(1, int(wait)) if wait.isdecimal() else RETRY_SECONDS
            return BusyError(f"{message}; try again in {seconds} s", seconds)
        if status == 503:
            return ClosingError(f"{message}; try again in a moment")
        if status in (401, 403):
            return EngineError(f"{message}; give its API key in the environment variable {KEY_VARIABLE}")
        message = f"{message}; {remedy}" if remedy else message
        return NotServedError(message) if status == 404 and not remedy else EngineError(message)

    def _parse(self, kind: type[Body], data: str | bytes) -> Body:
        """Parse a response; raises an EngineError if it does not follow vLLM's API."""
        try:
            return kind.model_validate_json(data)
        except ValidationError as error:
            raise EngineError(
                f"{self.endpoint} does not respond like a vLLM server ({first_problem(error)}); check --endpoint"
            ) from error

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[httpx2.AsyncClient]:
        """Yield the HTTP client; connection errors become an EngineError."""
        try:
            yield self._open_client()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            self._served_base = None
            raise EngineError(
                f"vLLM at {self.endpoint} cannot be reached ({type(error).__name__}); start it, or check --endpoint"
            ) from error

    def _open_client(self) -> httpx2.AsyncClient:
        if self._http_client is None:
            self._http_client = httpx2.AsyncClient(
                base_url=self.endpoint,
                headers={} if self._api_key is None else {"Authorization": f"Bearer {self._api_key}"},
                timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
                limits=httpx2.Limits(max_connections=None),
                trust_env=False,
            )
        if self._http_client.is_closed:
            raise ClosingError("the server is shutting down; try again in a moment")
        return self._http_client


def _has_name(model: ServedModel, wanted: str) -> bool:
    """Return whether a served model, or the folder or repository it was loaded from, has this name."""
    last = PurePath(wanted).name.casefold()
    return any(PurePath(name).name.casefold() == last for name in (model.id, model.root or model.id))


def _message_of(response: httpx2.Response) -> str:
    try:
        return error_message(response.json())
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        return f"status {response.status_code}"
