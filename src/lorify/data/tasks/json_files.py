"""Read the JSON object of a task file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lorify.errors import EvaluationError
from lorify.json_text import parse_json


def read_object(path: Path) -> dict[str, Any]:
    """Read a file that contains one JSON object.

    Raises:
        EvaluationError: if the file cannot be read, is not JSON, or is not an object.
    """
    try:
        document = parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read ({error.strerror}); expected a file of a task") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise EvaluationError(f"{path} is not JSON ({error}); expected a file of a task") from error
    if not isinstance(document, dict):
        raise EvaluationError(f"{path} is not a JSON object; expected a file of a task")
    return document
