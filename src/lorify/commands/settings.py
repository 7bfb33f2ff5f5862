"""`--set KEY=VALUE` on a config, and the listing of its defaults."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from lorify.errors import ConfigError
from lorify.json_text import parse_json

if TYPE_CHECKING:
    from pydantic import BaseModel as Section

T = TypeVar("T", bound="Section")


def apply_settings(
    document: dict[str, Any],
    settings: Sequence[str],
    renamed: Mapping[str, str] = MappingProxyType({}),
    example: str = "optimization.steps=200",
) -> dict[str, Any]:
    """Change a config's JSON document by `key.sub=value` settings.

    Args:
        document: changed in place.
        settings: values are parsed as JSON; a value that is not JSON is a string.
        renamed: old keys that are still accepted, and their names today.
        example: a setting of this config, for the error.

    Raises:
        ConfigError: if a setting does not have this form.
    """
    for setting in settings:
        key, separator, value = setting.partition("=")
        if not separator or not all(key.split(".")):
            raise ConfigError(f"--set {setting!r} is not a setting; give KEY=VALUE, such as {example}")
        keys = [renamed.get(part, part) for part in key.split(".")]
        _set(document, keys, _parse_value(value))
    return document


def read_settings(kind: type[T], settings: Sequence[str], *, command: str, example: str) -> T:
    """Read a config from settings; other fields have their defaults.

    Args:
        kind: class of the config.
        settings: as for `apply_settings`.
        command: the command that takes the settings, for errors.
        example: as for `apply_settings`.

    Raises:
        ConfigError: if a setting is bad; all problems are listed.
    """
    from pydantic import ValidationError

    from lorify.hypernets.training_config import describe_problems

    document = apply_settings({}, settings, example=example)
    try:
        return kind.model_validate_json(json.dumps(document))
    except ValidationError as error:
        raise ConfigError(f"--set: {describe_problems(error, kind, command)}") from error


def describe_defaults(section: type[Section], prefix: str = "") -> Iterator[str]:
    """List a config and its sections in lines `key=default  # meaning`."""
    from pydantic import BaseModel as Section

    for name, field in section.model_fields.items():
        if isinstance(field.default, Section):
            summary = (type(field.default).__doc__ or "").splitlines()[0]
            yield f"\n# {name}: {summary}"
            yield from describe_defaults(type(field.default), f"{prefix}{name}.")
        else:
            setting = f"{prefix}{name}={json.dumps(field.default, default=str)}"
            yield f"{setting:<44} # {field.description}"


def _set(document: dict[str, Any], keys: list[str], value: object) -> None:
    for key in keys[:-1]:
        if not isinstance(document.get(key), dict):
            document[key] = {}
        document = document[key]
    document[keys[-1]] = value


def _parse_value(text: str) -> object:
    try:
        return parse_json(text)
    except json.JSONDecodeError:
        return text
