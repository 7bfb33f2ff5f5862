"""The body of `/v1/chat/completions`: messages, response format, tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from lorify.base.constraints import ANY_OBJECT
from lorify.serving.http.generation_schemas import GenerationBody, Ignored
from lorify.serving.http.request_body import Items, OpenAIBody, expecting

MAX_TOOLS = 128
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


class CalledFunction(OpenAIBody):
    """The function of a call, and its arguments as JSON text."""

    model_config = ConfigDict(extra="ignore")

    name: str
    arguments: str = ""


class ToolCall(OpenAIBody):
    """A call in an assistant's message."""

    model_config = ConfigDict(extra="ignore")

    id: str = ""
    type: Literal["function"] = "function"
    function: CalledFunction


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
    reasoning: Ignored = None
    reasoning_content: Ignored = None

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


def check_is_function(tool: Any) -> Any:
    """Refuse tools of other types with one problem, whatever fields they have.

    Raises:
        ValueError: if it is not a function.
    """
    kind = tool.get("type") if isinstance(tool, dict) else "function"
    if kind not in (None, "function"):
        raise ValueError(f"a tool of type {str(kind)[:40]!r} is not supported; only functions are")
    return tool


class Function(OpenAIBody):
    """A function that the model may call."""

    name: str = Field(min_length=1, max_length=64)
    description: str | None = None
    parameters: dict[str, Any] | None = Field(default=None, description="JSON schema of its arguments, an object.")
    strict: Ignored = None


class Tool(OpenAIBody):
    """A tool; only functions are supported."""

    type: Literal["function"]
    function: Function

    _check_type = model_validator(mode="before")(check_is_function)


class FunctionName(OpenAIBody):
    """The name of a function."""

    name: str


class NamedTool(OpenAIBody):
    """The choice of one function."""

    type: Literal["function"]
    function: FunctionName


ToolChoice = Annotated[
    Literal["none", "auto", "required"] | NamedTool | None,
    expecting('none, auto, required, or {"type": "function", "function": {"name": ...}}'),
]


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
    modalities: tuple[Literal["text"], ...] | None = Field(default=None, description="Only text is supported.")
    function_call: Literal["none", "auto"] | None = Field(default=None, description="Only used with `functions`.")
    parallel_tool_calls: Ignored = None
    prediction: Ignored = None
    reasoning_effort: Ignored = None
    verbosity: Ignored = None

    @property
    def is_checked(self) -> bool:
        """Whether complete answers are checked against the documents of their adapters."""
        return self.sources or self.all_sources or self.not_stated is not None
