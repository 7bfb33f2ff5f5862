"""Read data sets in JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lorify.errors import EvaluationError
from lorify.json_text import numbered_json_lines, parse_json


def read_json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Read a file of JSON lines in UTF-8.

    Yields:
        The place of each value for error messages (`FILE, line N`), and the value; blank lines are skipped.

    Raises:
        EvaluationError: if the file cannot be read, or a line is not JSON.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in numbered_json_lines(lines):
                place = f"{path}, line {number}"
                yield place, _parse(line, place)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise EvaluationError(f"{path} cannot be read ({reason}); give a file of JSON lines in UTF-8") from error


def _parse(line: str, place: str) -> Any:
    try:
        return parse_json(line)
    except json.JSONDecodeError as error:
        raise EvaluationError(f"{place}: not JSON ({error.msg}); expected one object per line") from error
