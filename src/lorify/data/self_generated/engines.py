"""Models that run outside of this process's PyTorch: in vLLM, or behind an OpenAI-compatible endpoint.

Their packages are imported when they are first needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from lorify.errors import EvaluationError

CALLS_AT_ONCE = 16
Given = TypeVar("Given")
Made = TypeVar("Made")


class OfflineVllm:
    """A model inside vLLM, in this process.

    Attributes:
        model: what was loaded.
        vllm: the package.
        engine: its `LLM`.
    """

    def __init__(self, model: str, *, memory_share: float = 0.9) -> None:
        """Load `model`, a hub id or a folder, into this share of the device's memory.

        Raises:
            EvaluationError: if vLLM is not installed, or cannot load the model.
        """
        try:
            import vllm  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise EvaluationError(
                "--vllm and --teacher vllm need the package vllm, which is not installed; pip install vllm, or ask a "
                "running server with --endpoint or --teacher URL"
            ) from error
        self.model, self.vllm = model, vllm
        try:
            self.engine = vllm.LLM(model=model, gpu_memory_utilization=memory_share)
        except (OSError, ValueError, RuntimeError) as error:
            raise EvaluationError(f"vLLM cannot load {model} ({first_line(error)}); give another") from error


class Endpoint:
    """An OpenAI-compatible endpoint; the key comes from OPENAI_API_KEY, if one is needed.

    Attributes:
        url: its address, such as `http://localhost:8000/v1`.
        client: the client of the package openai.
    """

    def __init__(self, url: str) -> None:
        """Nothing is asked yet.

        Raises:
            EvaluationError: if the client library is not installed.
        """
        try:
            import openai
        except ImportError as error:
            raise EvaluationError(
                "an endpoint needs the package openai, which is not installed; pip install 'lorify[endpoint]'"
            ) from error
        self.url = url
        self._errors = openai.OpenAIError
        self.client = openai.OpenAI(base_url=url, api_key=os.environ.get("OPENAI_API_KEY", "none"), max_retries=3)

    def call(self, what: str, ask: Callable[..., Any], **options: Any) -> Any:
        """What `ask`, a method of the client, answers; `what` it was to do is said if it fails.

        Raises:
            EvaluationError: if the endpoint cannot be reached or refuses, after three more tries.
        """
        try:
            return ask(**options)
        except self._errors as error:
            raise EvaluationError(
                f"endpoint {self.url} did not {what} ({first_line(error)}); what is done is kept: see that it runs, "
                "and run the command again"
            ) from error


def several_at_once(call: Callable[[Given], Made], given: Sequence[Given]) -> list[Made]:
    """What `call` makes of each, in order, with some calls at a time; after one fails, those not begun are left."""
    with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        return list(pool.map(call, given))


def first_line(error: Exception) -> str:
    """The first line of an error's message."""
    return (str(error).splitlines() or [type(error).__name__])[0]
