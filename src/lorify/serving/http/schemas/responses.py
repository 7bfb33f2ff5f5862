"""The body of `/v1/responses`, and the chat that it asks for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from lorify.serving.http.schemas.chat import ChatRequest, JsonSchemaFormat, ResponseFormat
from lorify.serving.http.schemas.generation import Ignored, ScaledAdapter
from lorify.serving.http.schemas.messages import CalledFunction, Message, ToolCall, text_of_content
from lorify.serving.http.schemas.request_body import Items, OpenAIBody, expecting
from lorify.serving.http.schemas.tools import (
    MAX_TOOLS,
    AllowedChoice,
    AllowedTools,
    Function,
    FunctionName,
    NamedTool,
    Tool,
    ToolChoice,
    check_is_function,
)

Text = Annotated[str, BeforeValidator(text_of_content, json_schema_input_type=str | list[dict[str, Any]] | None)]


class InputItem(OpenAIBody):
    """A message, a call of a function or its result."""

    model_config = ConfigDict(extra="ignore")  # items of an output have further fields, such as their status

    type: Literal["message", "function_call", "function_call_output", "reasoning"] = "message"
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: Text = ""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: Text = ""

    @model_validator(mode="after")
    def _check_role(self) -> InputItem:
        if self.type == "message" and self.role is None:
            raise ValueError("role is missing; give system, developer, user or assistant")
        return self

    def messages(self) -> list[Message]:
        """Return the item as a message of a chat; none for reasoning."""
        if self.type == "reasoning":
            return []
        if self.type == "function_call":
            call = ToolCall(id=self.call_id, function=CalledFunction(name=self.name, arguments=self.arguments))
            return [Message(role="assistant", tool_calls=(call,))]
        if self.type == "function_call_output":
            return [Message(role="tool", tool_call_id=self.call_id, content=self.output)]
        return [Message(role=self.role or "user", content=self.content)]


def _as_items(value: Any) -> Any:
    return [{"role": "user", "content": value}] if isinstance(value, str) else value


class TextFormat(OpenAIBody):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema", description="For json_schema.")
    name: Ignored = None
    description: Ignored = None
    strict: Ignored = None


class TextOptions(OpenAIBody):
    """Options of the answer's text."""

    format: TextFormat | None = None
    verbosity: Ignored = None


class FunctionTool(Function):
    """A function that the model may call."""

    type: Literal["function"]

    _check_type = model_validator(mode="before")(check_is_function)


class NamedFunction(FunctionName):
    """The choice of one function."""

    type: Literal["function"]


class AllowedFunctions(OpenAIBody):
    """The choice of some functions."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: Items[NamedFunction] = Field(min_length=1)


class ResponsesRequest(OpenAIBody):
    """POST /v1/responses."""

    model: str = Field(max_length=1000, description="As for chats.")
    input: Annotated[Items[InputItem], BeforeValidator(_as_items, json_schema_input_type=str | list[InputItem])] = (
        Field(min_length=1, description="A text, or messages, calls of functions and their results.")
    )
    instructions: str | None = Field(default=None, description="Text of a system turn before the input.")
    adapters: Items[ScaledAdapter] = Field(default=(), max_length=16, description="lorify: as for chats.")
    only_if_relevant: bool = Field(default=True, description="lorify: as for chats.")
    max_output_tokens: int | None = Field(default=None, ge=1, description="Limit on the answer in tokens.")
    temperature: float | None = Field(default=None, ge=0, le=2, description="Sampling temperature; 0 by default.")
    top_p: float | None = Field(default=None, ge=0, le=1, description="Nucleus sampling, 1 by default.")
    stream: bool | None = Field(default=None, description="Stream the answer as server-sent events.")
    text: TextOptions | None = Field(default=None, description="Text, any JSON object, or JSON that matches a schema.")
    tools: Items[FunctionTool] = Field(default=(), max_length=MAX_TOOLS, description="Functions that may be called.")
    tool_choice: Annotated[
        Literal["none", "auto", "required"] | NamedFunction | AllowedFunctions | None,
        expecting('none, auto, required, {"type": "function", "name": ...}, or allowed_tools'),
    ] = Field(default=None, description="Whether a function is called; auto by default.")
    background: Annotated[Literal[False] | None, expecting("false; every request is answered at once")] = Field(
        default=None, description="Only false is supported."
    )
    truncation: Literal["auto", "disabled"] | None = Field(default=None, description="Nothing is truncated.")
    include: Ignored = None
    max_tool_calls: Ignored = None
    metadata: Ignored = None
    parallel_tool_calls: Ignored = None
    prompt_cache_key: Ignored = None
    prompt_cache_options: Ignored = None
    prompt_cache_retention: Ignored = None
    reasoning: Ignored = None
    safety_identifier: Ignored = None
    service_tier: Ignored = None
    store: Ignored = None
    stream_options: Ignored = None
    user: Ignored = None

    def as_chat(self) -> ChatRequest:
        """Return the chat that the request asks for."""
        system = [Message(role="system", content=self.instructions)] if self.instructions else []
        return ChatRequest(
            model=self.model,
            messages=(*system, *(message for item in self.input for message in item.messages())),
            adapters=self.adapters,
            only_if_relevant=self.only_if_relevant,
            max_tokens=self.max_output_tokens,
            temperature=self.temperature,
            top_p=self.top_p,
            response_format=self._format(),
            tools=tuple(_as_tool(tool) for tool in self.tools),
            tool_choice=self._choice(),
        )

    def _choice(self) -> ToolChoice:
        choice = self.tool_choice
        if isinstance(choice, NamedFunction):
            return _named(choice)
        if isinstance(choice, AllowedFunctions):
            allowed = AllowedTools(mode=choice.mode, tools=tuple(map(_named, choice.tools)))
            return AllowedChoice(type="allowed_tools", allowed_tools=allowed)
        return choice

    def _format(self) -> ResponseFormat | None:
        wanted = None if self.text is None else self.text.format
        if wanted is None:
            return None
        schema = None if wanted.json_schema is None else JsonSchemaFormat(schema=wanted.json_schema)
        return ResponseFormat(type=wanted.type, json_schema=schema)

    @model_validator(mode="after")
    def _check_format(self) -> ResponsesRequest:
        wanted = None if self.text is None else self.text.format
        if wanted is not None and (wanted.type == "json_schema") != (wanted.json_schema is not None):
            raise ValueError("text.format: schema goes with the type json_schema; give both or neither")
        return self


def _named(function: NamedFunction) -> NamedTool:
    return NamedTool(type="function", function=FunctionName(name=function.name))


def _as_tool(tool: FunctionTool) -> Tool:
    function = Function(name=tool.name, description=tool.description, parameters=tool.parameters)
    return Tool(type="function", function=function)
