"""JSON from files of users, which may hold anything, and JSON for them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Parse JSON.

    Raises:
        json.JSONDecodeError: if it is not JSON, is nested too deeply or has a number with too many digits.
            (`json.loads` raises other errors in the last two cases.)
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except RecursionError as error:
        raise json.JSONDecodeError("nested too deeply", "", 0) from error
    except ValueError as error:
        if isinstance(error, UnicodeDecodeError):
            raise
        raise json.JSONDecodeError("a number has too many digits", "", 0) from error


def numbered_json_lines(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Number lines of JSON from 1, and leave out blank ones.

    Args:
        lines: an open file, or a text that was split at line feeds: a JSON string may contain other line separators,
            such as U+2028.
    """
    return ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def as_json(value: object) -> str:
    """Write a value as JSON, with the letters of all languages as they are."""
    return json.dumps(value, ensure_ascii=False)
