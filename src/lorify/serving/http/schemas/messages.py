"""Messages of a chat, as OpenAI-compatible clients and servers write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from lorify.json_text import as_json
from lorify.serving.http.schemas.generation import Ignored
from lorify.serving.http.schemas.request_body import Items, OpenAIBody

_TEXT_PARTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
"""Type of a content part -> the field that has its text."""


class TextPart(OpenAIBody):
    """A text part of a message."""

    type: Literal["text"]
    text: str


def text_of_content(content: Any) -> str:
    """Return the content of a message as one text, its parts on lines of their own.

    Raises:
        ValueError: if a part is not text.
    """
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list | tuple):
        raise ValueError("expected a text or a list of text parts")
    return "\n".join(text for index, part in enumerate(content) if (text := _text_of_part(part, index)))


def _text_of_part(part: Any, index: int) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    field = _TEXT_PARTS.get(kind) if isinstance(kind, str) else None
    if field is None and isinstance(kind, str):
        raise ValueError(f"part {index} is of type {kind[:40]!r}, but only text is supported; leave it out")
    text = part.get(field) if field is not None else None
    if not isinstance(text, str):
        raise ValueError(f'part {index} is not a text part; send {{"type": "text", "text": ...}}')
    return text


def _as_json(arguments: Any) -> Any:
    return as_json(arguments) if isinstance(arguments, Mapping) else arguments


class CalledFunction(OpenAIBody):
    """The function of a call, and its arguments as JSON text."""

    model_config = ConfigDict(extra="ignore")

    name: str
    arguments: Annotated[str, BeforeValidator(_as_json)] = ""


class ToolCall(OpenAIBody):
    """A call in an assistant's message."""

    model_config = ConfigDict(extra="ignore")

    id: str = ""
    type: Literal["function"] = "function"
    function: CalledFunction

    @model_validator(mode="before")
    @classmethod
    def _read_custom(cls, call: Any) -> Any:
        """Read a call of a custom tool, which has a text in place of arguments."""
        custom = call.get("custom") if isinstance(call, dict) and call.get("type") == "custom" else None
        if not isinstance(custom, dict):
            return call
        return {"id": call.get("id"), "function": {"name": custom.get("name"), "arguments": custom.get("input")}}


class Message(OpenAIBody):
    """One turn of a chat, also one that an OpenAI-compatible server sent."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[
        str, BeforeValidator(text_of_content, json_schema_input_type=str | tuple[TextPart, ...] | None)
    ] = Field(default="", description="A text, or text parts, which are put on lines of their own.")
    tool_calls: Items[ToolCall] = Field(default=(), description="Functions that the assistant called.")
    function_call: CalledFunction | None = Field(default=None, description="Older form of `tool_calls`.")
    tool_call_id: str | None = Field(default=None, description="The call whose result a tool's message has.")
    refusal: str | None = Field(default=None, description="Used as the content if there is none.")
    name: Ignored = None
    annotations: Ignored = None
    parsed: Ignored = None
    # What other servers and clients add to a message: a history may have been written with them.
    id: Ignored = None
    created_at: Ignored = None
    timestamp: Ignored = None
    reasoning: Ignored = None
    reasoning_content: Ignored = None
    reasoning_details: Ignored = None
    thinking_blocks: Ignored = None
    provider_specific_fields: Ignored = None
    cache_control: Ignored = None

    @model_validator(mode="before")
    @classmethod
    def _check_content(cls, body: Any) -> Any:
        if isinstance(body, dict) and body.get("role") != "assistant" and "content" not in body:
            raise ValueError("content is missing; give the text of the message")
        return body

    @property
    def calls(self) -> tuple[CalledFunction, ...]:
        """The functions that the assistant called."""
        older = () if self.function_call is None else (self.function_call,)
        return (*(call.function for call in self.tool_calls), *older)
