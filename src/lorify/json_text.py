"""JSON from files of users, which may hold anything."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Parse JSON.

    Raises:
        json.JSONDecodeError: if it is not JSON, also if it is nested too deeply or has a number of too many digits,
            for which `json.loads` has errors of other kinds.
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


def split_json_lines(text: str) -> list[str]:
    """Split JSON lines at line feeds only: a JSON string may contain other line separators, such as U+2028."""
    return text.split("\n")
