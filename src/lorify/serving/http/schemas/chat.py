"""The body of `/v1/chat/completions`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from lorify.base.constraints import ANY_OBJECT
from lorify.serving.http.schemas.generation import GenerationBody, Ignored
from lorify.serving.http.schemas.messages import Message
from lorify.serving.http.schemas.request_body import Items, OpenAIBody
from lorify.serving.http.schemas.tools import MAX_TOOLS, Tool, ToolChoice


class JsonSchemaFormat(OpenAIBody):
    """A JSON schema for the answer."""

    name: Ignored = None
    description: Ignored = None
    strict: Ignored = None
    json_schema: dict[str, Any] = Field(alias="schema", description="The schema.")


class ResponseFormat(OpenAIBody):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: JsonSchemaFormat | None = None

    @model_validator(mode="after")
    def _check_schema(self) -> ResponseFormat:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("json_schema goes with the type json_schema; give both or neither")
        return self

    @property
    def answer_schema(self) -> Mapping[str, Any] | None:
        """JSON schema of the answer; None for any text."""
        if self.json_schema is not None:
            return self.json_schema.json_schema
        return ANY_OBJECT if self.type == "json_object" else None


class ChatRequest(GenerationBody):
    """POST /v1/chat/completions."""

    messages: Items[Message] = Field(min_length=1, description="The chat so far; the last turn is the user's.")
    max_tokens: int | None = Field(default=None, ge=1, description="Limit on the answer in tokens.")
    max_completion_tokens: int | None = Field(
        default=None, ge=1, description="Newer name of `max_tokens`; takes precedence."
    )
    logprobs: bool | None = Field(default=None, description="Return the log-probability of each token.")
    top_logprobs: int | None = Field(
        default=None, ge=0, le=20, description="Also return this many most likely tokens at each position."
    )
    response_format: ResponseFormat | None = Field(
        default=None, description="Text, any JSON object, or JSON that matches a schema."
    )
    tools: Items[Tool] = Field(default=(), max_length=MAX_TOOLS, description="Functions that may be called.")
    tool_choice: ToolChoice = Field(default=None, description="Whether a function is called; auto by default.")
    sources: bool = Field(
        default=False,
        description="lorify: name the sentence of the adapters' documents that each answer was taken from, in "
        "the last chunk of a stream.",
    )
    all_sources: bool = Field(
        default=False,
        description="lorify: also give the answer of each document of the adapters that answers the question, the "
        "latest first, with its sources, as `by_document` of the choice.",
    )
    not_stated: str | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="lorify: reply in place of an answer that the adapters' documents do not state. A stream then "
        "sends each answer in one chunk.",
    )
    grounded: bool = Field(
        default=False,
        description="lorify: also reply `not_stated` (by default 'The document does not say.') to questions that have "
        "nothing to do with the adapters' documents, which the base answers otherwise.",
    )
    modalities: tuple[Literal["text"], ...] | None = Field(default=None, description="Only text is supported.")
    function_call: Literal["none", "auto"] | None = Field(default=None, description="Only used with `functions`.")
    parallel_tool_calls: Ignored = None
    prediction: Ignored = None
    reasoning_effort: Ignored = None
    verbosity: Ignored = None

    @property
    def is_checked(self) -> bool:
        """Whether complete answers are checked against the documents of their adapters."""
        return self.sources or self.all_sources or self.grounded or self.not_stated is not None
