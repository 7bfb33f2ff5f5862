"""Responses of a vLLM server: the fields that lorify reads."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, FiniteFloat, model_validator

MAX_MESSAGE_CHARACTERS = 500


class ServedModel(BaseModel):
    """A base model or an adapter on the server."""

    id: str
    root: str | None = None
    """The folder or repository of its weights."""
    parent: str | None = None
    """The base of an adapter; None for a base."""


class VllmModelList(BaseModel):
    """Response of `/v1/models`."""

    data: list[ServedModel]


class Logprobs(BaseModel):
    """Log-probabilities of a choice's tokens."""

    tokens: list[str]
    token_logprobs: list[FiniteFloat]
    top_logprobs: list[dict[str, FiniteFloat] | None] | None = None

    @model_validator(mode="after")
    def _has_one_for_each_token(self) -> Logprobs:
        lengths = {len(self.tokens), len(self.token_logprobs), len(self.top_logprobs or self.tokens)}
        if len(lengths) > 1:
            raise ValueError("the numbers of tokens and logprobs differ")
        return self


class VllmChoice(BaseModel):
    """The next part of an answer."""

    text: str | None = None
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class Usage(BaseModel):
    """Token counts of an answer."""

    completion_tokens: int = 0


class CompletionEvent(BaseModel):
    """A server-sent event of `/v1/completions` with `stream`."""

    choices: list[VllmChoice] = []
    usage: Usage | None = None
    error: Any = None


def error_message(body: Any) -> str:
    """Return the message of an error response, in any of the forms that servers use."""
    error = body.get("error", body) if isinstance(body, dict) else body
    message = error.get("message", error) if isinstance(error, dict) else error
    return " ".join(str(message).split())[:MAX_MESSAGE_CHARACTERS]
