"""Tables of words, phrases and templates in files next to the code that uses them."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from typing import Any

from lorify.json_text import numbered_json_lines


def load_table(package: str, name: str) -> dict[str, Any]:
    """Read a TOML file that ships with a package.

    Args:
        package: name of the package, such as `lorify.data.facts`.
        name: path in the package's folder `tables`, without `.toml`.
    """
    return tomllib.loads(files(package).joinpath("tables", f"{name}.toml").read_text(encoding="utf-8"))


def load_rows(package: str, name: str) -> list[dict[str, Any]]:
    """Read a file of JSON lines that ships with a package.

    Args:
        package: name of the package.
        name: path in the package's folder `tables`, without `.jsonl`.
    """
    text = files(package).joinpath("tables", f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for _, line in numbered_json_lines(text.split("\n"))]
