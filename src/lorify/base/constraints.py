"""Constraints on the form of an answer, such as a JSON schema, as grammars of llguidance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llguidance import LLMatcher

from lorify.errors import SchemaError

ANY_OBJECT: Mapping[str, Any] = {"type": "object"}
"""JSON schema of any object."""

JSON_OPTIONS = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""JSON on one line, as `json.dumps` writes it: if white space is free, small models tend to repeat it endlessly."""


_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"}
"""String formats that llguidance enforces."""
_VALUES = {"const", "enum", "default", "examples"}
"""Keywords of JSON Schema whose values are not schemas."""


@dataclass(frozen=True)
class Constraint:
    """The form of an answer.

    Attributes:
        grammar: a grammar of llguidance.
        json_schema: the schema as JSON text, if the grammar is only a schema; used by engines other than the local one.
    """

    grammar: str
    json_schema: str | None = None

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """The schema; None if the grammar is more than a schema."""
        return None if self.json_schema is None else json.loads(self.json_schema)


def json_constraint(schema: Mapping[str, Any]) -> Constraint:
    """Constrain an answer to JSON that matches a schema.

    Args:
        schema: a JSON schema; `ANY_OBJECT` takes any object.

    Raises:
        SchemaError: if the schema is invalid, or has keywords that decoding cannot enforce.
    """
    text = _as_json(schema)
    return checked(Constraint(LLMatcher.grammar_from_json_schema(text, defaults=JSON_OPTIONS), text))  # pyright: ignore[reportArgumentType]


def without_unknown_formats(schema: Any) -> Any:
    """Return a JSON schema without string formats that decoding cannot enforce.

    JSON Schema lets each program choose which formats it checks; pydantic adds its own, such as `password`.
    """
    if isinstance(schema, list):
        return [without_unknown_formats(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        name: value if name in _VALUES else without_unknown_formats(value)
        for name, value in schema.items()
        if not (name == "format" and isinstance(value, str) and value not in _FORMATS)
    }


def checked(constraint: Constraint) -> Constraint:
    """Return the constraint if decoding can enforce it.

    Raises:
        SchemaError: if it cannot.
    """
    problem = LLMatcher.validate_grammar(constraint.grammar, None)
    if problem:
        raise SchemaError(f"the JSON schema cannot be used: {_first_line(problem)}; change or simplify it")
    return constraint


def _as_json(schema: Mapping[str, Any]) -> str:
    if not isinstance(schema, Mapping):
        raise SchemaError(
            f"a JSON schema is an object, not {type(schema).__name__}; give one such as {dict(ANY_OBJECT)}"
        )
    try:
        return json.dumps(without_unknown_formats(schema), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise SchemaError(
            f"the JSON schema is not valid JSON ({_first_line(str(error))}); give plain JSON values"
        ) from error


def _first_line(text: str) -> str:
    first, *others = text.strip().splitlines() or [""]
    if first.endswith(":") and others:  # for a regular expression the reason is on the last line
        first = f"{first} {others[-1].removeprefix('error: ')}"
    return first.rstrip(".")[:300]
