"""What a fact document says, before it is written: entities, facts about them, and lists."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from lorify.data.facts.names import Names
from lorify.data.facts.values import draw_value
from lorify.data.facts.world import KINDS, LISTINGS, Kind, Relation


@dataclass(frozen=True)
class Reference:
    """A way to refer to an entity: as subject, as object and as possessive."""

    s: str
    o: str
    p: str

    @classmethod
    def of_name(cls, name: str) -> "Reference":
        """The reference by a name or noun."""
        return cls(name, name, name + ("'" if name.endswith("s") else "'s"))


_IT, _SHE, _HE = Reference("it", "it", "its"), Reference("she", "her", "her"), Reference("he", "him", "his")


@dataclass(frozen=True)
class Entity:
    """Something a document is about.

    Attributes:
        kind: what it is.
        name: its name, without an article.
        full: reference with the whole name.
        pronoun: reference as `it`, `she` or `he`.
        shorts: references by a part of the name or by a noun; clear only after the whole name.
    """

    kind: Kind
    name: str
    full: Reference
    pronoun: Reference
    shorts: tuple[Reference, ...]


@dataclass(frozen=True)
class Fact:
    """One thing that a document says, with the ways to say it and to ask for it.

    Attributes:
        relation: what is said, told from relations of other kinds by the kind's name before a dot.
        subject: name of the entity.
        label: the relation's name in a list of properties.
        value: what is said; the answer.
        maker: what drew the value, or `yesno`.
        statements: phrases with slots for the entity and the value.
        questions: complete questions for the value.
        inverse_questions: complete questions for the entity.
    """

    relation: str
    subject: str
    label: str
    value: str
    maker: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    inverse_questions: tuple[str, ...]

    @property
    def shown_value(self) -> str:
        """The value in a list of properties."""
        return self.value.lower() if self.maker == "yesno" else self.value


@dataclass(frozen=True)
class Group:
    """Facts that belong together: about one entity, or, where that is None, the rows of a list.

    Attributes:
        entity: what the facts are about.
        heading: title of a section on them.
        facts: in the order in which they are said.
        listing: the sentence that says all rows of a list.
    """

    entity: Entity | None
    heading: str
    facts: tuple[Fact, ...]
    listing: str = ""


def plan_document(names: Names, num_facts: int) -> list[Group]:
    """What a document says: facts about one entity above all, about several of one kind, or about whatever comes."""
    rng, groups, left = names.rng, list[Group](), num_facts
    if num_facts >= 5 and rng.random() < 0.2:
        groups.append(_draw_listing(names, rng.randint(3, min(5, num_facts))))
        left -= len(groups[0].facts)
    form = rng.random()
    kind = draw_kind(rng)
    if form < 0.4:
        if left:
            groups.append(draw_group(names, kind, rng.sample(kind.relations, min(left, len(kind.relations), 9))))
    elif form < 0.75:
        # Several entities of one kind with mostly the same relations: the subject must be told apart.
        share = -(-left // rng.randint(2, 4))
        shared = rng.sample(kind.relations, min(share, len(kind.relations)))
        for _ in range(4):
            said = sum(len(group.facts) for group in groups)
            kept = [relation for relation in shared if rng.random() < 0.85][: num_facts - said]
            if kept:
                groups.append(draw_group(names, kind, kept))
    while (said := sum(len(group.facts) for group in groups)) < num_facts:
        kind = draw_kind(rng)
        relations = rng.sample(kind.relations, min(rng.randint(1, 5), num_facts - said, len(kind.relations)))
        groups.append(draw_group(names, kind, relations))
    rng.shuffle(groups)
    return groups


def draw_kind(rng: random.Random) -> Kind:
    """A kind of entity, common ones more often."""
    return rng.choices(KINDS, [kind.weight for kind in KINDS])[0]


def draw_group(names: Names, kind: Kind, relations: Sequence[Relation]) -> Group:
    """A new entity with facts of these relations, in an order drawn by chance."""
    entity = _draw_entity(names, kind)
    relations = names.rng.sample(list(relations), len(relations))
    return Group(entity, entity.name, tuple(_draw_fact(names, entity, relation) for relation in relations))


def _draw_entity(names: Names, kind: Kind) -> Entity:
    if kind.entity == "person":
        person = names.person()
        shorts = (Reference.of_name(person.last), Reference.of_name(person.first))
        pronoun = _SHE if person.feminine else _HE
        return Entity(kind, person.full, Reference.of_name(person.full), pronoun, shorts)
    name = draw_value(names, kind.entity)
    shorts = tuple(Reference.of_name(noun) for noun in kind.nouns)
    return Entity(kind, name, Reference.of_name(kind.article + name), _IT, shorts)


def _draw_fact(names: Names, entity: Entity, relation: Relation) -> Fact:
    if relation.value == "yesno":
        holds = names.rng.random() < 0.5
        value, statements = ("Yes", relation.statements) if holds else ("No", relation.denials)
    else:
        value, statements = draw_value(names, relation.value), relation.statements
        if value[0].islower():
            # A capital at the start of the sentence would make the value differ from the answer.
            statements = tuple(statement for statement in statements if not statement.startswith("{v}"))
    return Fact(
        relation=f"{entity.kind.name}.{relation.name}",
        subject=entity.name,
        label=relation.label,
        value=value,
        maker=relation.value.split()[0],
        statements=statements,
        questions=tuple(fill_phrase(question, entity.full) for question in relation.questions),
        inverse_questions=tuple(fill_phrase(question, entity.full, value) for question in relation.inverse_questions),
    )


def _draw_listing(names: Names, num_rows: int) -> Group:
    rng = names.rng
    listing = rng.choice(LISTINGS)
    owner = draw_value(names, listing.owner)
    rows: list[str] = []
    while len(rows) < num_rows:
        row = draw_value(names, listing.rows)
        if row not in rows:
            rows.append(row)
    values = [draw_value(names, listing.value) for _ in rows]
    items = [
        (listing.next_row if index else listing.first_row).format(r=row, v=value)
        for index, (row, value) in enumerate(zip(rows, values, strict=True))
    ]
    sentence = rng.choice(listing.openings).format(o=owner) + ", ".join(items[:-1]) + " and " + items[-1] + "."
    facts = [
        Fact(
            relation=f"{listing.name}.{row}",
            subject=owner,
            label=row,
            value=value,
            maker=listing.value.split()[0],
            statements=(),
            questions=tuple(question.format(o=owner, r=row) for question in listing.questions),
            inverse_questions=(),
        )
        for row, value in zip(rows, values, strict=True)
    ]
    return Group(None, f"{owner}: {listing.name}", tuple(facts), capitalized(sentence))


def fill_phrase(template: str, reference: Reference, value: str = "") -> str:
    """A phrase with its slots filled; `value` may be left out where the phrase has no slot for it."""
    article = "an " if value[:1].lower() in ("a", "e", "i", "o", "u") else "a "
    return template.format(s=reference.s, o=reference.o, p=reference.p, v=value, a=article + value)


def capitalized(sentence: str) -> str:
    """The sentence with a capital first letter."""
    return sentence[0].upper() + sentence[1:]
