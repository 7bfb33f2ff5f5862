"""Documents full of invented facts, with questions: what the document hypernetwork learns from and is measured on."""

from __future__ import annotations

import random
from typing import Literal

from lorify.data.examples import Example, Question
from lorify.data.fact_world import FILLERS, KINDS, Draw


def generate_fact_example(
    rng: random.Random,
    *,
    split: Literal["train", "heldout"] = "train",
    num_documents: int = 1,
    num_facts: tuple[int, int] = (4, 10),
    num_questions: int = 6,
) -> Example:
    """Documents about invented people, companies, products, events, places, rules, vessels and software.

    Args:
        rng: where chance comes from; the same state gives the same example.
        split: `heldout` draws names from parts that `train` never uses.
        num_documents: how many documents; each has its own entities.
        num_facts: least and largest number of facts a document.
        num_questions: at most this many questions, each about another fact.
    """
    draw = Draw(rng, heldout=split == "heldout")
    facts: list[Question] = []
    taken: set[str] = set()
    documents = [_document(draw, rng.randint(*num_facts), facts, taken) for _ in range(num_documents)]
    rng.shuffle(facts)
    return Example(tuple(documents), tuple(facts[:num_questions]), "facts")


def _document(draw: Draw, num_facts: int, facts: list[Question], taken: set[str]) -> str:
    """One document; its questions are added to `facts`, its entities' names to `taken`."""
    rng = draw.rng
    kinds = [KINDS[name] for name in rng.sample(sorted(KINDS), rng.choice((1, 1, 2)))]
    facts_per_entity = rng.choice((3, 4, 5, 7))
    paragraphs: list[list[str]] = []
    said = 0
    while said < num_facts:
        kind = rng.choice(kinds)
        subject = kind.entity(draw)
        if subject in taken:
            continue
        taken.add(subject)
        relations = rng.sample(kind.relations, min(facts_per_entity, len(kind.relations), num_facts - said))
        said += len(relations)
        sentences = []
        for relation in relations:
            value = relation.value(draw)
            sentences.append(_capitalized(rng.choice(relation.sentences).format(s=subject, v=value)))
            question = _capitalized(rng.choice(relation.questions).format(s=subject))
            facts.append(Question(question, (value,)))
        if rng.random() < 0.4:
            sentences.insert(rng.randint(0, len(sentences)), rng.choice(FILLERS))
        paragraphs.append(sentences)
    return _laid_out(rng, paragraphs)


def _laid_out(rng: random.Random, paragraphs: list[list[str]]) -> str:
    """The sentences as paragraphs, as a list, or in no order at all."""
    style = rng.random()
    every = [sentence for paragraph in paragraphs for sentence in paragraph]
    if style < 0.3:
        rng.shuffle(every)
        return " ".join(every)
    if style < 0.5:
        return "\n".join(f"- {sentence}" for sentence in every)
    return "\n\n".join(" ".join(paragraph) for paragraph in paragraphs)


def _capitalized(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]
