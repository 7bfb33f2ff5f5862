"""Documents about one thing that they name at the beginning, as articles do; after it they say `it` or `the museum`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from lorify.data.examples import Example
from lorify.data.facts.generate import ask
from lorify.data.facts.layouts import write_filler
from lorify.data.facts.names import Names, Split
from lorify.data.facts.plan import Entity, Fact, Group, Reference, capitalized, draw_group, draw_kind, fill_phrase
from lorify.data.facts.values import draw_value
from lorify.data.facts.world import FILLERS

FILLER_SHARE = 0.25
ASIDE_SHARE = 0.35
"""Of the documents that also tell a few facts about another thing, which is always named."""


def generate_single_entity_example(
    rng: random.Random, *, split: Split = "train", num_facts: tuple[int, int] = (6, 14), num_questions: int = 6
) -> Example:
    """A document about one invented thing or person, with questions that name it or refer to it as the document does.

    The facts are those of `lorify.data.facts.generate.generate_fact_example`, where each is told near the name of its
    subject.

    Args:
        rng: where chance comes from; the same state gives the same example.
        split: `heldout` draws names from parts that `train` never uses.
        num_facts: least and largest number of facts about the thing, if there are so many to tell.
        num_questions: at most this many questions, each about another fact.

    Returns:
        An example with source `portraits`.
    """
    names = Names(rng, split)
    kind = draw_kind(rng)
    wanted = rng.randint(*num_facts)
    group = draw_group(names, kind, rng.sample(kind.relations, min(wanted, len(kind.relations))))
    assert group.entity is not None
    paragraphs = _in_paragraphs(rng, _tell(names, group, group.entity))
    facts = [_as_referred_to(rng, fact, group.entity) if rng.random() < 0.5 else fact for fact in group.facts]
    if rng.random() < ASIDE_SHARE:
        other_kind = draw_kind(rng)
        other = draw_group(names, other_kind, rng.sample(other_kind.relations, min(rng.randint(1, 3), wanted)))
        facts += other.facts
        paragraphs.append(_tell_fully(rng, other))
    document = _title(rng, group) + rng.choice(("\n\n", "\n\n", "\n")).join(paragraphs)
    asked = rng.sample(facts, min(num_questions, len(facts)))
    return Example((document,), tuple(ask(rng, fact, unique=True) for fact in asked), "portraits")


def _tell(names: Names, group: Group, entity: Entity) -> list[str]:
    """The sentences of a group: its thing is named in the first one only. Fillers stand between them."""
    rng, shorts, sentences = names.rng, _short_references(entity), list[str]()
    before = ""  # what the last sentence says of the thing, if more can be joined to it
    for index, fact in enumerate(group.facts):
        template = rng.choice(fact.statements)
        # After another person's name `she` would be in doubt.
        clear = entity.kind.name != "person" or group.facts[index - 1].maker != "person"
        if not index:
            reference = entity.full
        elif clear and "{o}" not in template and rng.random() < 0.5:
            reference = entity.pronoun
        else:
            reference = rng.choice(shorts)
        sentence = _with_apposition(names, fact, reference, fill_phrase(template, reference, fact.value))
        said = sentence.removeprefix(reference.s + " ") if template.startswith("{s} ") else ""
        form = rng.random()
        if before and said and form < 0.3:
            sentences[-1] = sentences[-1].removesuffix(".") + " and " + said
            before = ""
        elif before and said and form < 0.45 and len(sentences) > 1:
            which = "who" if entity.kind.name == "person" else "which"
            subject = rng.choice(shorts).s
            sentences[-1] = capitalized(f"{subject}, {which} {before.removesuffix('.')}, {said}")
            before = ""
        elif before and template.startswith(("{s}", "{p}")) and form < 0.6:
            sentences[-1] = sentences[-1].removesuffix(".") + rng.choice((", and ", "; ")) + sentence
            before = ""
        else:
            sentences.append(capitalized(sentence))
            before = said
        if rng.random() < FILLER_SHARE:
            phrase = rng.choice((*FILLERS, *(fill_phrase(f, rng.choice(shorts)) for f in entity.kind.fillers)))
            sentences.append(write_filler(names, phrase))
            before = ""
    return sentences


def _with_apposition(names: Names, fact: Fact, reference: Reference, sentence: str) -> str:
    """Sometimes with what a person who is named does for a living behind the name."""
    if fact.maker != "person" or names.rng.random() > 0.3:
        return sentence
    start, name, end = sentence.partition(fact.value)
    job = fill_phrase(names.rng.choice(("{a}", "the {v}", "formerly {a}")), reference, draw_value(names, "word job"))
    return f"{start}{name}, {job}{'' if end.startswith(('.', ',')) else ','}{end}"


def _tell_fully(rng: random.Random, group: Group) -> str:
    assert group.entity is not None
    told = [fill_phrase(rng.choice(fact.statements), group.entity.full, fact.value) for fact in group.facts]
    return " ".join(map(capitalized, told))


def _short_references(entity: Entity) -> Sequence[Reference]:
    """By a noun or surname; a thing whose name ends in what it is may be called that: `the museum`."""
    if entity.kind.name == "person":
        return entity.shorts[:1]
    if not entity.kind.article:
        return entity.shorts
    endings = [ending.replace("_", " ") for ending in entity.kind.entity.split()[1:]]
    own = [Reference.of_name(f"the {ending.lower()}") for ending in endings if entity.name.endswith(f" {ending}")]
    return own * 2 + list(entity.shorts)


def _as_referred_to(rng: random.Random, fact: Fact, entity: Entity) -> Fact:
    """The fact with questions that call its thing what the document calls it after the name."""
    reference = rng.choice(_short_references(entity))
    # The possessive first: that of a name which ends in s is made in another way than that of a noun.
    questions = tuple(
        capitalized(question.replace(entity.full.p, reference.p).replace(entity.full.o, reference.o))
        for question in fact.questions
    )
    return replace(fact, questions=questions)


def _title(rng: random.Random, group: Group) -> str:
    return rng.choice(("", f"{group.heading}\n\n", f"# {group.heading}\n\n", f"About {group.heading}\n"))


def _in_paragraphs(rng: random.Random, sentences: Sequence[str]) -> list[str]:
    paragraphs, start = list[str](), 0
    while start < len(sentences):
        end = start + rng.randint(2, 6)
        paragraphs.append(" ".join(sentences[start:end]))
        start = end
    return paragraphs
