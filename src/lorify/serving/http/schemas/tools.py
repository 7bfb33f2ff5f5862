"""Functions that a model may call, and the choice between them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lorify.serving.http.schemas.generation import Ignored
from lorify.serving.http.schemas.request_body import Items, OpenAIBody, expecting

MAX_TOOLS = 128


def check_is_function(tool: Any) -> Any:
    """Refuse tools of other types with one problem, whatever fields they have.

    Raises:
        ValueError: if it is not a function.
    """
    kind = tool.get("type") if isinstance(tool, dict) else "function"
    if kind not in (None, "function"):
        raise ValueError(f"a tool of type {str(kind)[:40]!r} is not supported; give tools of type function")
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


class AllowedTools(OpenAIBody):
    """Those of the offered functions that may be called."""

    mode: Literal["auto", "required"]
    tools: Items[NamedTool] = Field(min_length=1)


class AllowedChoice(OpenAIBody):
    """The choice of some functions."""

    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools


ToolChoice = Annotated[
    Literal["none", "auto", "required"] | NamedTool | AllowedChoice | None,
    expecting('none, auto, required, {"type": "function", "function": {"name": ...}}, or allowed_tools'),
]
