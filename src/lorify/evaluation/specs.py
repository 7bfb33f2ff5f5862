"""Suites and methods in text form: `NAME`, or `NAME:option=value:option=value`.

A list is written with plus signs (`lengths=512+2048`). Each suite or method is a frozen pydantic model, and the fields
of the model are the only definition of its options: their names, defaults and descriptions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeVar, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from lorify.errors import EvaluationError

RENAMED_OPTIONS = {"hypernet": "hypernetwork", "lessons": "train_on"}
"""Option names of version 0.1 and their present names."""

RENAMED_VALUES = {("train_on", "oracle"): "test_questions"}
"""(option, value) of version 0.1 and the present value."""


class Spec(BaseModel):
    """A suite or method with its options.

    Attributes:
        name: what users call it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, data: Any) -> Any:
        """Split `512+2048` where the option is a list."""
        if not isinstance(data, dict):
            return data
        lists = {key for key, field in cls.model_fields.items() if get_origin(field.annotation) is tuple}
        return {key: v.split("+") if key in lists and isinstance(v, str) else v for key, v in data.items()}

    @property
    def label(self) -> str:
        """The text form: the name, and the options that differ from their defaults."""
        chosen = self.model_dump(exclude_defaults=True)
        return ":".join([self.name, *(f"{key}={_as_text(value)}" for key, value in chosen.items())])


SpecT = TypeVar("SpecT", bound=Spec)


def parse_spec(text: str, classes: Mapping[str, type[SpecT]], noun: str) -> SpecT:
    """Read a suite or method from its text form.

    Args:
        text: `NAME[:option=value...]`.
        classes: the known suites or methods, by name.
        noun: what error messages call it, for example `suite`.

    Raises:
        EvaluationError: if the name or an option does not exist, or a value is invalid (all problems are listed).
    """
    name, *parts = text.strip().split(":")
    if name not in classes:
        raise EvaluationError(f"{noun} {name!r} does not exist; choose from {', '.join(classes)}")
    options: dict[str, str] = {}
    for part in parts:
        key, separator, value = _update_option(part).partition("=")
        if not separator:
            raise EvaluationError(f"{part!r} in {noun} {text!r} is not an option; expected {name}:option=value")
        if key in options:
            raise EvaluationError(f"{noun} {text!r} gives {key} twice; give it once")
        options[key] = value
    chosen = classes[name]
    try:
        return chosen(**options)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'][:1]))}: {e['msg']}" for e in error.errors())
        known = ", ".join(chosen.model_fields) or "none"
        raise EvaluationError(f"{noun} {text!r}: {problems} (options of {name}: {known})") from error


def update_label(label: str) -> str:
    """Replace the options of version 0.1 in a label from a run folder.

    Example: `adapter:hypernet=other` -> `adapter:hypernetwork=other`
    """
    name, *parts = label.split(":")
    return ":".join([name, *map(_update_option, parts)])


def describe_specs(classes: Iterable[type[Spec]]) -> str:
    """List names with their options, defaults and descriptions, one per line."""
    lines = []
    for spec in classes:
        lines.append(f"{spec.name}: {(spec.__doc__ or '').splitlines()[0]}")
        for key, field in spec.model_fields.items():
            note = f" (default {_as_text(field.default)})"
            if field.is_required():
                note = " (required)"
            elif field.default in (None, ()):  # the description says what happens without it
                note = ""
            lines.append(f"    {key}: {field.description}{note}")
    return "\n".join(lines)


def _update_option(part: str) -> str:
    key, separator, value = part.partition("=")
    key = RENAMED_OPTIONS.get(key, key)
    return f"{key}{separator}{RENAMED_VALUES.get((key, value), value)}"


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "+".join(map(_as_text, value)) if isinstance(value, (tuple, list)) else str(value)
