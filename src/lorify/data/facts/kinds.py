"""Kinds of entity that fact documents are about, their relations, and lists such as prices and timetables.

Phrases have slots: `{s}` the entity as subject, `{o}` as object, `{p}` as possessive, `{v}` the value, `{a}` the value
with `a` or `an`. Values are described by a specification for `lorify.data.facts.values.draw_value`, or `yesno`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from lorify.data.tables import load_table

ENTITY_KIND_NAMES = (
    "person",
    "company",
    "club",
    "team",
    "event",
    "course",
    "policy",
    "project",
    "product",
    "town",
    "building",
    "ship",
    "route",
    "recipe",
    "software",
    "book",
    "farm",
    "landscape",
    "shipment",
)
"""Files in `tables/entity_kinds`. Generated data depends on the order: append new kinds."""


@dataclass(frozen=True)
class Relation:
    """A property that documents state about an entity.

    Attributes:
        name: unique within the entity kind.
        value: specification of the value; `yesno` for a statement that is true or false.
        label: heading in a list or table of properties.
        statements: sentences that state it; for `yesno`, that it is true.
        denials: for `yesno`, sentences that state that it is false.
        questions: questions asking for the value.
        inverse_questions: questions asking for the entity, given the value.
    """

    name: str
    value: str
    label: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    denials: tuple[str, ...] = ()
    inverse_questions: tuple[str, ...] = ()


@dataclass(frozen=True)
class EntityKind:
    """A kind of entity.

    Attributes:
        name: unique name.
        entity: specification of the entity's name; `person` is a first name and a surname.
        fillers: sentences about an entity that no question is about.
        relations: properties of an entity.
        article: what precedes the name in a sentence.
        nouns: nouns for an entity whose name has been mentioned.
        weight: how often the kind is drawn, relative to others.
    """

    name: str
    entity: str
    fillers: tuple[str, ...]
    relations: tuple[Relation, ...]
    article: str = ""
    nouns: tuple[str, ...] = ()
    weight: int = 1


@dataclass(frozen=True)
class Listing:
    """Several facts of the same form in one sentence: prices, hours, distances.

    Attributes:
        name: unique name.
        owner: specification of the name of the list's owner.
        rows: specification of a row's name.
        value: specification of a row's value.
        openings: the sentence up to the first row, with `{o}` for the owner.
        first_row: the first row, with `{r}` for its name and `{v}` for its value.
        next_row: any other row.
        questions: questions asking for a row's value, with `{o}` and `{r}`.
    """

    name: str
    owner: str
    rows: str
    value: str
    openings: tuple[str, ...]
    first_row: str
    next_row: str
    questions: tuple[str, ...]


@cache
def entity_kinds() -> tuple[EntityKind, ...]:
    """Return all kinds of entity, in the order of `ENTITY_KIND_NAMES`."""
    return tuple(map(_load_kind, ENTITY_KIND_NAMES))


@cache
def listings() -> tuple[Listing, ...]:
    """Return all lists (prices, timetables and the like)."""
    return tuple(Listing(**_with_tuples(row)) for row in load_table("lorify.data.facts", "listings")["listings"])


@cache
def fillers() -> tuple[str, ...]:
    """Return the sentences that fit any document; `<...>` is a value specification. No question is about them."""
    return tuple(load_table("lorify.data.facts", "fillers")["fillers"])


def _load_kind(name: str) -> EntityKind:
    table = load_table("lorify.data.facts", f"entity_kinds/{name}")
    relations = tuple(Relation(**_with_tuples(row)) for row in table.pop("relations"))
    return EntityKind(name=name, relations=relations, **_with_tuples(table))


def _with_tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {field: tuple(value) if isinstance(value, list) else value for field, value in row.items()}
