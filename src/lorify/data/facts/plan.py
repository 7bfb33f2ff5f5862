"""Choose the content of a fact document: entities, facts about them, and lists."""

from __future__ import annotations

import random
from collections.abc import Sequence

from lorify.data.facts.entities import HE, IT, SHE, Entity, Fact, FactGroup, Reference, fill_phrase
from lorify.data.facts.kinds import EntityKind, Listing, Relation, entity_kinds, listings
from lorify.data.facts.names import Names
from lorify.data.facts.values import draw_value
from lorify.data.text import capitalize_first

LISTING_SHARE = 0.2
MAX_RELATIONS = 9
"""Maximum number of facts about an entity in a document that is mainly about it."""
KEPT_SHARE = 0.85
"""Fraction of the common relations that each of several similar entities has."""


def plan_document(names: Names, num_facts: int) -> list[FactGroup]:
    """Draw the groups of facts of one document.

    Documents are mainly about one entity, about several of one kind, or about a mix.

    Args:
        names: draws names, and is the source of randomness.
        num_facts: total number of facts.
    """
    rng, groups = names.rng, list[FactGroup]()
    if num_facts >= 5 and rng.random() < LISTING_SHARE:
        groups.append(_draw_listing_group(names, rng.randint(3, min(5, num_facts))))
    num_left = num_facts - count_facts(groups)
    form = rng.random()
    kind = draw_kind(rng)
    if form < 0.4:
        if num_left:
            num_relations = min(num_left, len(kind.relations), MAX_RELATIONS)
            groups.append(draw_group(names, kind, rng.sample(kind.relations, num_relations)))
    elif form < 0.75:
        groups += _draw_similar_entities(names, kind, num_left)
    while (num_left := num_facts - count_facts(groups)) > 0:
        kind = draw_kind(rng)
        relations = rng.sample(kind.relations, min(rng.randint(1, 5), num_left, len(kind.relations)))
        groups.append(draw_group(names, kind, relations))
    rng.shuffle(groups)
    return groups


def count_facts(groups: Sequence[FactGroup]) -> int:
    """Count the facts of all groups."""
    return sum(len(group.facts) for group in groups)


def _draw_similar_entities(names: Names, kind: EntityKind, num_facts: int) -> list[FactGroup]:
    """Draw several entities of one kind with mostly the same relations, so that a reader has to tell them apart."""
    rng, groups = names.rng, list[FactGroup]()
    num_shared = -(-num_facts // rng.randint(2, 4))
    shared = rng.sample(kind.relations, min(num_shared, len(kind.relations)))
    for _ in range(4):
        num_left = num_facts - count_facts(groups)
        kept = [relation for relation in shared if rng.random() < KEPT_SHARE][:num_left]
        if kept:
            groups.append(draw_group(names, kind, kept))
    return groups


def draw_kind(rng: random.Random) -> EntityKind:
    """Draw a kind of entity by weight."""
    kinds = entity_kinds()
    return rng.choices(kinds, [kind.weight for kind in kinds])[0]


def draw_group(names: Names, kind: EntityKind, relations: Sequence[Relation]) -> FactGroup:
    """Draw a new entity with facts of these relations, in random order.

    Args:
        names: source of randomness and of unused names.
        kind: kind of the entity.
        relations: one fact is drawn for each.
    """
    entity = _draw_entity(names, kind)
    relations = names.rng.sample(list(relations), len(relations))
    return FactGroup(entity, entity.name, tuple(draw_fact(names, entity, relation) for relation in relations))


def _draw_entity(names: Names, kind: EntityKind) -> Entity:
    if kind.entity == "person":
        person = names.person()
        shorts = (Reference.of_name(person.last), Reference.of_name(person.first))
        return Entity(kind, person.full, Reference.of_name(person.full), SHE if person.feminine else HE, shorts)
    name = draw_value(names, kind.entity)
    shorts = tuple(Reference.of_name(noun) for noun in kind.nouns)
    return Entity(kind, name, Reference.of_name(kind.article + name), IT, shorts)


def draw_fact(names: Names, entity: Entity, relation: Relation) -> Fact:
    """Draw a fact about an entity."""
    if relation.value == "yesno":
        is_true = names.rng.random() < 0.5
        value, statements = ("Yes", relation.statements) if is_true else ("No", relation.denials)
    else:
        value, statements = draw_value(names, relation.value), relation.statements
        if value[0].islower():
            # Capitalized at the start of a sentence, the value would differ from the answer.
            statements = tuple(statement for statement in statements if not statement.startswith("{v}"))
    return Fact(
        relation=f"{entity.kind.name}.{relation.name}",
        subject=entity.name,
        label=relation.label,
        value=value,
        value_type=relation.value.split()[0],
        statements=statements,
        questions=tuple(fill_phrase(question, entity.full) for question in relation.questions),
        inverse_questions=tuple(fill_phrase(question, entity.full, value) for question in relation.inverse_questions),
    )


def _draw_listing_group(names: Names, num_rows: int) -> FactGroup:
    rng = names.rng
    listing = rng.choice(listings())
    owner = draw_value(names, listing.owner)
    rows: list[str] = []
    while len(rows) < num_rows:
        row = draw_value(names, listing.rows)
        if row not in rows:
            rows.append(row)
    values = {row: draw_value(names, listing.value) for row in rows}
    sentence = _write_listing(rng, listing, owner, values)
    facts = tuple(_listing_fact(listing, owner, row, value) for row, value in values.items())
    return FactGroup(None, f"{owner}: {listing.name}", facts, sentence)


def _write_listing(rng: random.Random, listing: Listing, owner: str, values: dict[str, str]) -> str:
    items = [
        (listing.next_row if index else listing.first_row).format(r=row, v=value)
        for index, (row, value) in enumerate(values.items())
    ]
    sentence = rng.choice(listing.openings).format(o=owner) + ", ".join(items[:-1]) + " and " + items[-1] + "."
    return capitalize_first(sentence)


def _listing_fact(listing: Listing, owner: str, row: str, value: str) -> Fact:
    return Fact(
        relation=f"{listing.name}.{row}",
        subject=owner,
        label=row,
        value=value,
        value_type=listing.value.split()[0],
        statements=(),
        questions=tuple(question.format(o=owner, r=row) for question in listing.questions),
        inverse_questions=(),
    )
