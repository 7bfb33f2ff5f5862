"""Suites and methods as users write them: `NAME`, or `NAME:option=value:option=value`.

Lists are written with a plus sign (`lengths=512+2048`). Each suite or method is a frozen pydantic model of its options,
which are the only place where their names, defaults and meanings stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from lorify.errors import EvaluationError


class Spec(BaseModel):
    """Options of a suite or method."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, data: Any) -> Any:
        """`512+2048` -> a list, for options that are lists."""
        if not isinstance(data, dict):
            return data
        lists = {key for key, field in cls.model_fields.items() if "tuple" in str(field.annotation)}
        return {key: v.split("+") if key in lists and isinstance(v, str) else v for key, v in data.items()}

    @property
    def label(self) -> str:
        """The spec as text: its name and the options that are not at their defaults."""
        chosen = self.model_dump(exclude_defaults=True)
        return ":".join([self.name, *(f"{key}={_as_text(value)}" for key, value in chosen.items())])


SpecT = TypeVar("SpecT", bound=Spec)


def parse_spec(text: str, kinds: Mapping[str, type[SpecT]], what: str) -> SpecT:
    """Read a suite or method from its text.

    Args:
        text: `NAME[:option=value...]`.
        kinds: what there is, by name.
        what: `suite` or `method`, for messages.

    Raises:
        EvaluationError: if there is no such name or option, or a value is not of its kind (all are listed).
    """
    name, *parts = text.strip().split(":")
    if name not in kinds:
        raise EvaluationError(f"{what} {name!r} does not exist; choose from {', '.join(kinds)}")
    options: dict[str, str] = {}
    for part in parts:
        key, separator, value = part.partition("=")
        if not separator:
            raise EvaluationError(f"{part!r} in {what} {text!r} is no option; expected {name}:option=value")
        if key in options:
            raise EvaluationError(f"{what} {text!r} gives {key} twice; give it once")
        options[key] = value
    kind = kinds[name]
    try:
        return kind(**options)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'][:1]))}: {e['msg']}" for e in error.errors())
        known = ", ".join(kind.model_fields) or "none"
        raise EvaluationError(f"{what} {text!r}: {problems} (options of {name}: {known})") from error


def describe_specs(kinds: Iterable[type[Spec]]) -> str:
    """Every name with its options, defaults and meanings, a line each."""
    lines = []
    for kind in kinds:
        lines.append(f"{kind.name}: {(kind.__doc__ or '').splitlines()[0]}")
        for key, field in kind.model_fields.items():
            default = "required" if field.is_required() else f"default {_as_text(field.default)}"
            lines.append(f"    {key}: {field.description} ({default})")
    return "\n".join(lines)


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "+".join(map(_as_text, value)) if isinstance(value, (tuple, list)) else str(value)
