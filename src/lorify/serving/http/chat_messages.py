"""Turn the messages of a request into turns for the base's chat template."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lorify.base.chat.turns import Message as Turn
from lorify.json_text import as_json
from lorify.serving.http.schemas.messages import CalledFunction, Message

_ROLES = {"developer": "system", "function": "tool"}


def base_messages(messages: Sequence[Message]) -> list[Turn]:
    """Return the turns of a chat; calls of functions become the JSON text that the model would have written."""
    return [{"role": _ROLES.get(message.role, message.role), "content": _text_of(message)} for message in messages]


def call_text(name: str, arguments: Any) -> str:
    """Return a call of a function as the model writes it."""
    return as_json({"name": name, "arguments": arguments})


def _text_of(message: Message) -> str:
    texts = [message.content or message.refusal or "", *map(_text_of_call, message.calls)]
    return "\n".join(text for text in texts if text)


def _text_of_call(call: CalledFunction) -> str:
    try:
        arguments = json.loads(call.arguments or "{}")
    except (json.JSONDecodeError, RecursionError):
        arguments = call.arguments  # what a model wrote wrong is kept as it is
    return call_text(call.name, arguments)
