"""Metrics of single values of answers in JSON."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import Any

from lorify.data.answers import LEFT_OUT, normalize_answer
from lorify.json_text import as_json, parse_json


def field_text(prediction: str, field: str) -> str:
    """Return a field of an answer as JSON.

    Args:
        prediction: the answer.
        field: name of the field.

    Returns:
        Its value as JSON, `LEFT_OUT` if the object does not have it; empty if the answer is no JSON object.
    """
    found = _parsed(prediction)
    if not isinstance(found, dict):
        return ""
    return as_json(found[field]) if field in found else LEFT_OUT


def same_value(prediction: str, answers: Sequence[str]) -> float:
    """Return 1 if a value equals one of the answers, else 0; texts letter by letter, the items of lists in any order.

    Args:
        prediction: a value as JSON, or `LEFT_OUT`.
        answers: acceptable ones.
    """
    return float(_comparable(prediction) in [_comparable(answer) for answer in answers])


def same_words(prediction: str, answers: Sequence[str]) -> float:
    """Return 1 if a value equals one of the answers, else 0; texts without case, punctuation and articles.

    Args:
        prediction: a value as JSON, or `LEFT_OUT`.
        answers: acceptable ones.
    """
    wanted = [_comparable(answer, in_words=True) for answer in answers]
    return float(_comparable(prediction, in_words=True) in wanted)


def _comparable(text: str, *, in_words: bool = False) -> Hashable:
    """What is equal for equal values: type and value, since 1 equals True in Python."""
    return text if text == LEFT_OUT else _key(_parsed(text), in_words=in_words)


def _key(value: Any, *, in_words: bool) -> Hashable:
    if isinstance(value, list):
        return "array", tuple(sorted((_key(item, in_words=in_words) for item in value), key=repr))
    if isinstance(value, str):
        return "string", normalize_answer(value) if in_words else value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "number", value
    return "other", as_json(value) if value is not _INVALID else value


_INVALID = object()
"""What is read from a text that is no JSON; it equals no value."""


def _parsed(text: str) -> Any:
    try:
        return parse_json(text)
    except json.JSONDecodeError:
        return _INVALID
