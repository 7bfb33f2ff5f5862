"""Documents about one entity that is only named at the beginning, as in articles; later it is `it` or `the museum`."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from lorify.data.examples import Example
from lorify.data.facts.entities import Entity, Fact, FactGroup, Reference, fill_phrase
from lorify.data.facts.generate import build_question
from lorify.data.facts.kinds import fillers
from lorify.data.facts.names import Names, Split
from lorify.data.facts.plan import draw_group, draw_kind
from lorify.data.facts.sentences import write_filler
from lorify.data.facts.unanswerable import draw_unstated_facts
from lorify.data.facts.values import draw_value
from lorify.data.text import capitalize_first

FILLER_SHARE = 0.25
"""Fraction of the sentences that are followed by a filler."""
ASIDE_SHARE = 0.35
"""Fraction of the documents that also state a few facts about another entity, which is always named."""
SHORT_REFERENCE_SHARE = 0.5
"""Fraction of the facts whose questions use a short reference to the entity, as the document does after its name."""
APPOSITION_SHARE = 0.3
"""Fraction of the people named as values who get an occupation."""
SOURCE = "portraits"


def generate_single_entity_example(
    rng: random.Random,
    *,
    split: Split = "train",
    num_facts: tuple[int, int] = (6, 14),
    num_questions: int = 6,
    num_unanswerable: int = 0,
) -> Example:
    """Generate a document about one invented entity, with questions that name it or refer to it as the text does.

    Facts are drawn as in `lorify.data.facts.generate.generate_fact_example`, which names the subject near every fact.

    Args:
        rng: source of randomness; the same state gives the same example.
        split: `heldout` draws names from parts that `train` never uses.
        num_facts: minimum and maximum number of facts about the entity, if its kind has enough relations.
        num_questions: maximum number of questions, each about another fact.
        num_unanswerable: maximum number of questions that the document does not answer.

    Returns:
        An example with source `portraits`.
    """
    names = Names(rng, split)
    kind = draw_kind(rng)
    num_wanted = rng.randint(*num_facts)
    group = draw_group(names, kind, rng.sample(kind.relations, min(num_wanted, len(kind.relations))))
    assert group.entity is not None
    paragraphs = _split_into_paragraphs(rng, _write_sentences(names, group, group.entity))
    facts = _with_short_references(rng, group.facts, group.entity)
    groups = [group]
    if rng.random() < ASIDE_SHARE:
        other_kind = draw_kind(rng)
        other = draw_group(names, other_kind, rng.sample(other_kind.relations, min(rng.randint(1, 3), num_wanted)))
        facts += other.facts
        groups.append(other)
        paragraphs.append(_write_aside(rng, other))
    document = _write_title(rng, group) + rng.choice(("\n\n", "\n\n", "\n")).join(paragraphs)
    sampled = rng.sample(facts, min(num_questions, len(facts)))
    questions = tuple(build_question(rng, fact, unique=True) for fact in sampled)
    unstated = draw_unstated_facts(names, groups, num_unanswerable) if num_unanswerable else []
    asked = _with_short_references(rng, unstated, group.entity)
    unanswerable = tuple(build_question(rng, fact, unique=False).text for fact in asked)
    return Example((document,), questions, SOURCE, unanswerable=unanswerable)


def _with_short_references(rng: random.Random, facts: Sequence[Fact], entity: Entity) -> list[Fact]:
    """Return the facts; for some facts about the entity, the questions now refer to it briefly (`the museum`)."""
    return [
        _refer_briefly(rng, fact, entity)
        if fact.subject == entity.name and rng.random() < SHORT_REFERENCE_SHARE
        else fact
        for fact in facts
    ]


def _write_sentences(names: Names, group: FactGroup, entity: Entity) -> list[str]:
    """Write the sentences of a group, with fillers between them; only the first one names the entity."""
    rng, shorts, sentences = names.rng, _short_references(entity), list[str]()
    predicate = ""  # the last sentence's, as long as another sentence can be joined to it
    for index, fact in enumerate(group.facts):
        template = rng.choice(fact.statements)
        reference = _draw_reference(rng, group, index, template)
        sentence = fill_phrase(template, reference, fact.value)
        sentence = _add_apposition(names, fact, reference, sentence)
        own_predicate = sentence.removeprefix(reference.s + " ") if template.startswith("{s} ") else ""
        form = rng.random()
        if predicate and own_predicate and form < 0.3:
            sentences[-1] = sentences[-1].removesuffix(".") + " and " + own_predicate
            predicate = ""
        elif predicate and own_predicate and form < 0.45 and len(sentences) > 1:
            sentences[-1] = _with_relative_clause(rng.choice(shorts).s, entity, predicate, own_predicate)
            predicate = ""
        elif predicate and template.startswith(("{s}", "{p}")) and form < 0.6:
            sentences[-1] = sentences[-1].removesuffix(".") + rng.choice((", and ", "; ")) + sentence
            predicate = ""
        else:
            sentences.append(capitalize_first(sentence))
            predicate = own_predicate
        if rng.random() < FILLER_SHARE:
            sentences.append(_write_filler(names, entity, shorts))
            predicate = ""
    return sentences


def _draw_reference(rng: random.Random, group: FactGroup, index: int, template: str) -> Reference:
    entity = group.entity
    assert entity is not None
    # After another person's name, `she` would be ambiguous.
    is_clear = entity.kind.name != "person" or group.facts[index - 1].value_type != "person"
    if not index:
        return entity.full
    if is_clear and "{o}" not in template and rng.random() < 0.5:
        return entity.pronoun
    return rng.choice(_short_references(entity))


def _with_relative_clause(subject: str, entity: Entity, clause: str, predicate: str) -> str:
    pronoun = "who" if entity.kind.name == "person" else "which"
    return capitalize_first(f"{subject}, {pronoun} {clause.removesuffix('.')}, {predicate}")


def _write_filler(names: Names, entity: Entity, shorts: Sequence[Reference]) -> str:
    own = (fill_phrase(filler, names.rng.choice(shorts)) for filler in entity.kind.fillers)
    return write_filler(names, names.rng.choice((*fillers(), *own)))


def _add_apposition(names: Names, fact: Fact, reference: Reference, sentence: str) -> str:
    """Sometimes add an occupation after a person's name."""
    if fact.value_type != "person" or names.rng.random() > APPOSITION_SHARE:
        return sentence
    start, name, end = sentence.partition(fact.value)
    form = names.rng.choice(("{a}", "the {v}", "formerly {a}"))
    job = fill_phrase(form, reference, draw_value(names, "word job"))
    return f"{start}{name}, {job}{'' if end.startswith(('.', ',')) else ','}{end}"


def _write_aside(rng: random.Random, group: FactGroup) -> str:
    assert group.entity is not None
    sentences = [fill_phrase(rng.choice(fact.statements), group.entity.full, fact.value) for fact in group.facts]
    return " ".join(map(capitalize_first, sentences))


def _short_references(entity: Entity) -> Sequence[Reference]:
    """Return references by a noun or surname; if the name ends with a noun, also by that noun: `the museum`."""
    if entity.kind.name == "person":
        return entity.shorts[:1]
    if not entity.kind.article:
        return entity.shorts
    endings = [ending.replace("_", " ") for ending in entity.kind.entity.split()[1:]]
    own = [Reference.of_name(f"the {ending.lower()}") for ending in endings if entity.name.endswith(f" {ending}")]
    return own * 2 + list(entity.shorts)


def _refer_briefly(rng: random.Random, fact: Fact, entity: Entity) -> Fact:
    """The fact with questions that refer to the entity as the document does after its name."""
    reference = rng.choice(_short_references(entity))
    # Possessives are replaced first, since a name ending in s forms it differently from a noun.
    questions = tuple(
        capitalize_first(question.replace(entity.full.p, reference.p).replace(entity.full.o, reference.o))
        for question in fact.questions
    )
    return replace(fact, questions=questions)


def _write_title(rng: random.Random, group: FactGroup) -> str:
    return rng.choice(("", f"{group.heading}\n\n", f"# {group.heading}\n\n", f"About {group.heading}\n"))


def _split_into_paragraphs(rng: random.Random, sentences: Sequence[str]) -> list[str]:
    paragraphs, start = list[str](), 0
    while start < len(sentences):
        end = start + rng.randint(2, 6)
        paragraphs.append(" ".join(sentences[start:end]))
        start = end
    return paragraphs
