"""Write JSON as text: each object becomes a row with the names leading to it, which would otherwise be far away."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from lorify.contexts.tables.markdown_rows import rows_in_words

MIN_CHARACTERS = 24
"""Shorter JSON, such as `{}` or `[1]` in a text, stays unchanged."""
MAX_CHARACTERS = 1_000_000
"""Longer texts are not searched for JSON."""
MAX_FAILURES = 50
"""After this many brackets that do not start JSON, the rest of a text is not searched."""
FIELDS_PER_ROW = 8
_START = re.compile(r"^[ \t]*[{\[]", re.MULTILINE)
_DECODER = json.JSONDecoder()


def settings_in_words(text: str) -> str:
    """Write JSON objects as `name of the object: key: value; key: value.`; everything else stays unchanged.

    JSON is found where a line starts with a bracket.

    Example:
        >>> settings_in_words('{"server": {"port": 8080, "host": "alpha"}}')
        'server: port: 8080; host: alpha.'
    """
    if len(text) > MAX_CHARACTERS or not ("{" in text or "[" in text):
        return text
    parts: list[str] = []
    end = failures = 0
    for match in _START.finditer(text):
        if match.start() < end:
            continue
        found = _decode(text, match.end() - 1)
        failures += found is None
        if failures > MAX_FAILURES:
            break
        if found is not None:
            value, stop = found
            parts += [text[end : match.start()], "\n".join(_rows(value, ()))]
            end = stop
    return "".join([*parts, text[end:]])


def read_in_words(text: str) -> str:
    """Write the JSON and Markdown tables in a text as plain text, the form in which documents are internalized."""
    return rows_in_words(settings_in_words(text))


def _decode(text: str, start: int) -> tuple[Any, int] | None:
    """Return the JSON at a position and its end; None if there is no JSON that contains objects."""
    try:
        value, stop = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    has_fields = isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value))
    return (value, stop) if has_fields and stop - start >= MIN_CHARACTERS else None


def _rows(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Yield a row for each object: its own values first, then its nested objects."""
    if isinstance(value, list):
        for item in value:
            yield from _rows(item, path)
    elif isinstance(value, dict):
        fields = [f"{key}: {text}" for key, inner in value.items() if (text := _plain(inner)) is not None]
        for start in range(0, len(fields), FIELDS_PER_ROW):
            yield "".join(f"{name}: " for name in path) + "; ".join(fields[start : start + FIELDS_PER_ROW]) + "."
        for key, inner in value.items():
            if _plain(inner) is None:
                yield from _rows(inner, (*path, str(key)))


def _plain(value: Any) -> str | None:
    """Return a value as text; None for objects, and for lists that contain objects or lists."""
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict | list) for item in value)):
        return None
    if isinstance(value, list):
        return ", ".join(filter(None, map(_plain, value)))
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
