"""Find the fields of a JSON schema that documents can fill, and fill them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Path = tuple[str, ...]
"""Property names that lead to a field; empty for a schema that is a single value."""
JsonValue = str | int | float | bool | None | Sequence["JsonValue"]

MAX_DEPTH = 8
"""Deeper objects are left to the base; a schema may refer to itself."""
SCALARS = ("boolean", "integer", "number", "string")
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\W_]+")


@dataclass(frozen=True)
class JsonField:
    """A value of a JSON schema.

    Attributes:
        path: its position in the schema.
        schema: its schema, without null and references.
        kind: `string`, `integer`, `number`, `boolean`, or `array` (of strings or numbers).
        may_be_null: whether null is a value.
        may_be_missing: whether an object is valid without it.
    """

    path: Path
    schema: Mapping[str, Any]
    kind: str
    may_be_null: bool = False
    may_be_missing: bool = False

    @property
    def words(self) -> str:
        """Its name in words, such as `name of the seller` for `seller.name`; empty for a single value."""
        return " of the ".join(" ".join(_WORD_START.split(name)).lower().strip() for name in reversed(self.path))

    @property
    def description(self) -> str:
        """Its description in the schema; empty if there is none."""
        given = self.schema.get("description")
        return given.strip() if isinstance(given, str) else ""


def find_fields(schema: Mapping[str, Any]) -> list[JsonField]:
    """Find the fields of a JSON schema that may be filled with words from documents.

    Args:
        schema: a valid JSON schema.

    Returns:
        The fields, in schema order. Arrays of objects and unions of several types do not count as fields.
    """
    return list(_fields(schema, schema, ()))


def fill_fields(
    schema: Mapping[str, Any], values: Mapping[Path, JsonValue], missing: Sequence[Path] = ()
) -> Mapping[str, Any]:
    """Return a schema in which fields are constants.

    Args:
        schema: the schema.
        values: the value of each field that is known.
        missing: fields to leave out of their objects.

    Returns:
        The schema. Objects with filled fields may have no properties beyond those named, unless the schema describes
        them.
    """
    return _filled(schema, schema, (), values, frozenset(missing))


def _fields(root: Mapping[str, Any], part: Any, path: Path, *, may_be_missing: bool = False) -> Iterator[JsonField]:
    part, may_be_null = _without_null(root, part)
    kind = _kind(root, part)
    if kind is not None:
        part = {**part, "items": _resolved(root, part["items"])} if kind == "array" else part
        yield JsonField(path, part, kind, may_be_null, may_be_missing)
    elif not may_be_null and len(path) < MAX_DEPTH:
        for name, below in _properties(part).items():
            is_optional = may_be_missing or name not in part.get("required", ())
            yield from _fields(root, below, (*path, name), may_be_missing=is_optional)


def _filled(
    root: Mapping[str, Any], part: Any, path: Path, values: Mapping[Path, JsonValue], missing: frozenset[Path]
) -> Mapping[str, Any]:
    if path in values:
        return {"const": values[path]}
    resolved, may_be_null = _without_null(root, part)
    inside = [*values, *missing]
    if may_be_null or not any(len(known) > len(path) and known[: len(path)] == path for known in inside):
        return part
    kept = {
        name: _filled(root, below, (*path, name), values, missing)
        for name, below in _properties(resolved).items()
        if (*path, name) not in missing
    }
    filled = {known[len(path)] for known in values if len(known) > len(path) and known[: len(path)] == path}
    required = [name for name in kept if name in filled or name in resolved.get("required", ())]
    shared = {name: root[name] for name in ("$defs", "definitions") if not path and name in root}
    # Otherwise a small base goes on to write properties that nobody asked for.
    is_open = any(name in resolved for name in ("additionalProperties", "patternProperties", "minProperties"))
    rest = {} if is_open and not missing else {"additionalProperties": False}
    return {**shared, **resolved, **rest, "properties": kept, "required": required}


def _properties(part: Any) -> Mapping[str, Any]:
    """The properties of the schema of an object; none of other schemas."""
    if not isinstance(part, Mapping) or any(name in part for name in ("allOf", "anyOf", "oneOf")):
        return {}
    found = part.get("properties")
    return found if isinstance(found, Mapping) else {}


def _without_null(root: Mapping[str, Any], part: Any) -> tuple[Any, bool]:
    """Return a schema without references and without null, and whether null was a value."""
    part = _resolved(root, part)
    if not isinstance(part, Mapping):
        return part, False
    kinds = part.get("type")
    if isinstance(kinds, list) and "null" in kinds:
        others = [kind for kind in kinds if kind != "null"]
        return ({**part, "type": others[0]}, True) if len(others) == 1 else (part, True)
    for name in ("anyOf", "oneOf"):
        options = part.get(name)
        if isinstance(options, list):
            others = [option for option in options if _resolved(root, option) != {"type": "null"}]
            if len(others) == 1 and len(options) == 2:
                outer = {key: value for key, value in part.items() if key not in (name, "default")}
                return {**outer, **_resolved(root, others[0])}, True
    return part, False


def _resolved(root: Mapping[str, Any], part: Any) -> Any:
    """Follow references inside the schema; other references stay."""
    for _ in range(MAX_DEPTH):
        reference = part.get("$ref") if isinstance(part, Mapping) else None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return part
        found: Any = root
        for name in reference[2:].split("/"):
            found = found.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
        if found is None:
            return part
        part = {**found, **{key: value for key, value in part.items() if key != "$ref"}}
    return part


def _kind(root: Mapping[str, Any], part: Any) -> str | None:
    """The kind of a field; None if the schema does not describe one."""
    if not isinstance(part, Mapping) or any(name in part for name in ("allOf", "anyOf", "oneOf", "$ref", "const")):
        return None
    kind = part.get("type", "string" if "enum" in part else None)
    if kind in SCALARS:
        return kind
    if kind == "array" and "prefixItems" not in part:
        items = _resolved(root, part.get("items"))
        return "array" if isinstance(items, Mapping) and items.get("type") in ("integer", "number", "string") else None
    return None
