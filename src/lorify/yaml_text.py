"""YAML from files of users, which may hold anything."""

from __future__ import annotations

from typing import Any

import yaml


def parse_yaml(text: str, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> Any:
    """Parse YAML of plain values; no tag can create an object of another kind.

    Args:
        text: the file's content.
        loader: a loader that is as safe as the default.

    Raises:
        yaml.YAMLError: if it is not YAML, also if it is nested too deeply or a tag does not fit its value, for which
            PyYAML has errors of other kinds.
    """
    try:
        return yaml.load(text, Loader=loader)
    except RecursionError as error:
        raise yaml.YAMLError("nested too deeply") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise yaml.YAMLError("a value does not fit its tag") from error
