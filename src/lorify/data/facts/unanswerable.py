"""Facts that a generated document does not state, but that resemble the facts it states."""

from __future__ import annotations

from collections.abc import Sequence

from lorify.data.facts.entities import Entity, Fact, FactGroup
from lorify.data.facts.kinds import Relation
from lorify.data.facts.names import Names
from lorify.data.facts.plan import draw_fact, draw_group


def draw_unstated_facts(names: Names, groups: Sequence[FactGroup], num_facts: int) -> list[Fact]:
    """Draw facts that a document does not state, but that resemble its own.

    Half of them are about its entities, with relations that it leaves out. The other half have relations that it
    states, but for entities that it does not mention.

    Args:
        names: draws names, and is the source of randomness; it knows the names in the document.
        groups: the facts of the document.
        num_facts: maximum number of facts.
    """
    stated, left_out = _relations_of(groups, stated=True), _relations_of(groups, stated=False)
    num_stated = min(len(stated), num_facts // 2)
    num_left_out = min(len(left_out), num_facts - num_stated)
    facts = [draw_fact(names, entity, relation) for entity, relation in names.rng.sample(left_out, num_left_out)]
    for entity, relation in names.rng.sample(stated, num_stated):
        facts += draw_group(names, entity.kind, [relation]).facts
    names.rng.shuffle(facts)
    return facts


def _relations_of(groups: Sequence[FactGroup], *, stated: bool) -> list[tuple[Entity, Relation]]:
    """Return the entities of a document with the relations that it states, or does not state, about them."""
    return [
        (group.entity, relation)
        for group in groups
        if group.entity is not None
        for relation in group.entity.kind.relations
        if stated == any(f"{group.entity.kind.name}.{relation.name}" == fact.relation for fact in group.facts)
    ]
