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
"""JSON on one line, as `json.dumps` writes it: free white space invites small models to repeat it without end."""


@dataclass(frozen=True)
class Constraint:
    """The form of an answer.

    Attributes:
        grammar: a grammar of llguidance.
        json_schema: the schema as JSON text, if the grammar is nothing but a schema; engines other than the local one
            use it.
    """

    grammar: str
    json_schema: str | None = None


def json_constraint(schema: Mapping[str, Any]) -> Constraint:
    """Constrain an answer to JSON that matches a schema.

    Args:
        schema: a JSON schema; `ANY_OBJECT` takes any object.

    Raises:
        SchemaError: if the schema is invalid, or has keywords that decoding cannot enforce.
    """
    text = _as_json(schema)
    return checked(Constraint(LLMatcher.grammar_from_json_schema(text, defaults=JSON_OPTIONS), text))  # pyright: ignore[reportArgumentType]


def checked(constraint: Constraint) -> Constraint:
    """Return a constraint that decoding can enforce.

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
        return json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise SchemaError(
            f"the JSON schema is not valid JSON ({_first_line(str(error))}); give plain JSON values"
        ) from error


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].rstrip(".")[:300]
