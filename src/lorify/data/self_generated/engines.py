"""Models in vLLM or behind an OpenAI-compatible endpoint; their packages are imported on first use."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from lorify.errors import EvaluationError, first_line

MAX_CONCURRENT_CALLS = 16
Input = TypeVar("Input")
Output = TypeVar("Output")


class OfflineVllm:
    """A model in vLLM, in this process.

    Attributes:
        model: its id or folder.
        vllm: the package.
        engine: its `LLM`.
    """

    def __init__(self, model: str, *, memory_share: float = 0.9) -> None:
        """Load the model.

        Args:
            model: hub id or folder.
            memory_share: share of the device memory to use.

        Raises:
            EvaluationError: if vLLM is not installed, or cannot load the model.
        """
        try:
            import vllm  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise EvaluationError(
                "--vllm and --teacher vllm need the package vllm, which is not installed; pip install vllm, or use a "
                "running server with --endpoint or --teacher URL"
            ) from error
        self.model, self.vllm = model, vllm
        try:
            self.engine = vllm.LLM(model=model, gpu_memory_utilization=memory_share)
        except (OSError, ValueError, RuntimeError) as error:
            raise EvaluationError(f"vLLM cannot load {model} ({first_line(error)}); choose another model") from error


class Endpoint:
    """An OpenAI-compatible endpoint. Its API key, if it needs one, comes from OPENAI_API_KEY.

    Attributes:
        url: its address, such as `http://localhost:8000/v1`.
        client: the client of the package openai.
    """

    def __init__(self, url: str) -> None:
        """Create the client without connecting.

        Args:
            url: address, such as `http://localhost:8000/v1`.

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

    def call(self, action: str, method: Callable[..., Any], **options: Any) -> Any:
        """Call a method of the client and return its result.

        Args:
            action: what the call does, for the error message.
            method: the method.
            **options: its arguments.

        Raises:
            EvaluationError: if the endpoint cannot be reached or refuses, after three retries.
        """
        try:
            return method(**options)
        except self._errors as error:
            raise EvaluationError(
                f"endpoint {self.url} did not {action} ({first_line(error)}); finished shards are kept: "
                "check the endpoint and run the command again"
            ) from error


def call_concurrently(call: Callable[[Input], Output], inputs: Sequence[Input]) -> list[Output]:
    """Call a function concurrently for each input and return the outputs in order; the first error cancels the rest."""
    with ThreadPoolExecutor(MAX_CONCURRENT_CALLS) as pool:
        return list(pool.map(call, inputs))
