"""Tables of words, phrases and templates in TOML files beside the code that uses them."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any


def load_table(package: str, name: str) -> dict[str, Any]:
    """Read a TOML file that ships with a package.

    Args:
        package: name of the package, such as `lorify.data.facts`.
        name: path in the package's folder `tables`, without `.toml`.
    """
    return tomllib.loads(files(package).joinpath("tables", f"{name}.toml").read_text(encoding="utf-8"))
