"""Functions that the model may call: how they are offered, the form of a call, and calls read from answers.

A call is JSON text, `{"name": ..., "arguments": {...}}`, so that it works with every chat template. Decoding is
constrained: a call has the name of a function that was offered, and arguments that match its schema.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lorify.base.chat.turns import SEPARATION
from lorify.base.chat.turns import Message as Turn
from lorify.base.constraints import JSON_OPTIONS, Constraint, checked, without_unknown_formats
from lorify.errors import RequestError
from lorify.json_text import as_json
from lorify.serving.http.schemas.chat import ChatRequest
from lorify.serving.http.schemas.tools import AllowedChoice, Function, NamedTool

_INSTRUCTION = (
    'You can call functions. To call one, answer only with JSON such as {"name": "NAME", "arguments": {}}. '
    "The functions, one a line:"
)
_NO_ARGUMENTS = {"type": "object", "properties": {}, "additionalProperties": False}


@dataclass(frozen=True)
class Offer:
    """The functions that a request offers.

    Attributes:
        functions: those that may be called.
        is_required: whether one has to be called.
    """

    functions: tuple[Function, ...]
    is_required: bool

    def with_instruction(self, turns: Sequence[Turn]) -> list[Turn]:
        """Return a chat whose system turn describes the functions."""
        described = (function.model_dump_json(exclude_defaults=True) for function in self.functions)
        text = "\n".join([_INSTRUCTION, *described])
        if turns and turns[0]["role"] == "system":
            content = turns[0]["content"]
            return [turns[0] | {"content": f"{content}{SEPARATION}{text}" if content else text}, *turns[1:]]
        return [{"role": "system", "content": text}, *turns]

    def constraint(self, text_schema: Mapping[str, Any] | None = None) -> Constraint:
        """Return the form of an answer: a call or, unless one is required, a text that does not begin like one.

        Args:
            text_schema: JSON schema of answers that are not calls, instead of any text.

        Raises:
            SchemaError: if the parameters of a function cannot be enforced.
        """
        names = [f"call{index}" for index in range(len(self.functions))]
        lines = [f"start: {' | '.join(names if self.is_required else [*names, 'text'])}"]
        if not self.is_required:
            lines.append(r"text: /([^{](.|\n)*)?/" if text_schema is None else f"text: {_json_rule(text_schema)}")
        for name, function in zip(names, self.functions, strict=True):
            opening = json.dumps(f'{{"name": {json.dumps(function.name)}, "arguments": ')
            lines.append(f'{name}: {opening} {name}_arguments "}}"')
            lines.append(f"{name}_arguments: {_json_rule(function.parameters or _NO_ARGUMENTS)}")
        return checked(Constraint("\n".join(lines)))


def _json_rule(schema: Mapping[str, Any]) -> str:
    return f"%json {json.dumps({**without_unknown_formats(schema), 'x-guidance': JSON_OPTIONS})}"


def offer_of(body: ChatRequest) -> Offer | None:
    """Return the functions that a request offers; None if none may be called.

    Raises:
        RequestError: if `tool_choice` needs a function that is not among the tools.
    """
    choice, functions = body.tool_choice, tuple(tool.function for tool in body.tools)
    if isinstance(choice, NamedTool):
        return Offer(_named(functions, [choice])[:1], is_required=True)
    if isinstance(choice, AllowedChoice):
        allowed = choice.allowed_tools
        return Offer(_named(functions, allowed.tools), is_required=allowed.mode == "required")
    if choice == "required" and not functions:
        raise RequestError("tool_choice is required, but there are no tools; give some", param="tool_choice")
    return Offer(functions, choice == "required") if functions and choice != "none" else None


def _named(functions: Sequence[Function], chosen: Sequence[NamedTool]) -> tuple[Function, ...]:
    """Return the functions that a choice names; raises a RequestError if one is not among them."""
    offered = {function.name for function in functions}
    names = {tool.function.name for tool in chosen}
    for name in names - offered:
        raise RequestError(f"there is no tool {name[:64]!r}; give it in tools", param="tool_choice")
    return tuple(function for function in functions if function.name in names)


def read_call(text: str, functions: Sequence[Function]) -> dict[str, Any] | None:
    """Read a call from an answer.

    Args:
        text: the whole answer.
        functions: those that could be called.

    Returns:
        The call in OpenAI's format; None if the answer is a text, or was cut off.
    """
    try:
        call = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return None
    if not isinstance(call, dict) or call.get("name") not in {function.name for function in functions}:
        return None
    arguments = as_json(call.get("arguments"))
    id = f"call_{uuid.uuid4().hex}"
    return {"id": id, "type": "function", "function": {"name": call["name"], "arguments": arguments}}


class CallBuffer:
    """Holds back the text of an answer while it may be a call."""

    def __init__(self, functions: Sequence[Function]) -> None:
        """Start with no text; without functions, no answer is a call."""
        self._functions = functions
        self._held = ""
        self._is_text = not functions

    def add(self, text: str, *, last: bool) -> tuple[str, dict[str, Any] | None]:
        """Add the next text of the answer.

        Args:
            text: the text.
            last: no further text follows.

        Returns:
            The text to show now, and the call if the answer was one.
        """
        if self._is_text:
            return text, None
        self._held += text
        if self._held and not self._held.startswith("{"):
            self._is_text = True
            return self._held, None
        if not last:
            return "", None
        call = read_call(self._held, self._functions)
        return ("" if call else self._held), call
