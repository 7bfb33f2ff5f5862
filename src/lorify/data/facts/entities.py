"""Entities, facts and groups of facts: the content of a document before it is written."""

from __future__ import annotations

from dataclasses import dataclass

from lorify.data.facts.kinds import EntityKind

_VOWELS = ("a", "e", "i", "o", "u")


@dataclass(frozen=True)
class Reference:
    """The forms of a name, noun or pronoun that refers to an entity.

    Attributes:
        s: subject form.
        o: object form.
        p: possessive form.
    """

    s: str
    o: str
    p: str

    @classmethod
    def of_name(cls, name: str) -> Reference:
        """Build the reference from a name or noun."""
        return cls(name, name, name + ("'" if name.endswith("s") else "'s"))


IT, SHE, HE = Reference("it", "it", "its"), Reference("she", "her", "her"), Reference("he", "him", "his")


@dataclass(frozen=True)
class Entity:
    """Something that a document is about.

    Attributes:
        kind: its kind.
        name: its name, without an article.
        full: reference by the full name.
        pronoun: reference by `it`, `she` or `he`.
        shorts: references by part of the name or a noun; clear only after the full name.
    """

    kind: EntityKind
    name: str
    full: Reference
    pronoun: Reference
    shorts: tuple[Reference, ...]


@dataclass(frozen=True)
class Fact:
    """One fact with its phrasings.

    Attributes:
        relation: name of the relation, prefixed with the name of the entity kind and a dot.
        subject: name of the entity.
        label: the relation's heading in a list of properties.
        value: the value; the answer to the questions.
        value_type: name of the value generator, or `yesno`.
        statements: sentences with slots for the entity and the value.
        questions: complete questions asking for the value.
        inverse_questions: complete questions asking for the entity.
    """

    relation: str
    subject: str
    label: str
    value: str
    value_type: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    inverse_questions: tuple[str, ...]

    @property
    def property_value(self) -> str:
        """The value as written in a list of properties."""
        return self.value.lower() if self.value_type == "yesno" else self.value


@dataclass(frozen=True)
class FactGroup:
    """Facts that belong together: about one entity, or, if `entity` is None, the rows of a list.

    Attributes:
        entity: the entity that the facts are about.
        heading: title of a section on them.
        facts: the facts in the order in which they are stated.
        listing: the sentence that states all rows of a list.
    """

    entity: Entity | None
    heading: str
    facts: tuple[Fact, ...]
    listing: str = ""


def fill_phrase(template: str, reference: Reference, value: str = "") -> str:
    """Fill the slots of a phrase; `value` may be omitted if the phrase has no slot for it.

    Args:
        template: phrase with the slots {s}, {o}, {p} (subject, object, possessive), {v} and {a} (value, value with its
            article).
        reference: how to refer to the entity.
        value: the value of the fact.
    """
    article = "an " if value[:1].lower() in _VOWELS else "a "
    return template.format(s=reference.s, o=reference.o, p=reference.p, v=value, a=article + value)
