"""Documents full of invented facts, with questions: what the document hypernetwork learns from and is measured on."""

import random
from collections import Counter

from lorify.data.examples import Example, Question
from lorify.data.facts.layouts import write_document
from lorify.data.facts.names import Names, Split
from lorify.data.facts.plan import Fact, plan_document
from lorify.data.facts.values import alternatives


def generate_fact_example(
    rng: random.Random,
    *,
    split: Split = "train",
    num_documents: int = 1,
    num_facts: tuple[int, int] = (6, 16),
    num_questions: int = 6,
) -> Example:
    """Documents about invented people, companies, events, rules, places, ships, recipes, software and more.

    No two entities of an example share a name, each has at most one value for a relation, and every question names its
    entity, so a question has one answer in all of the documents. Answers are in the documents word for word, except
    `Yes` and `No`.

    Args:
        rng: where chance comes from; the same state gives the same example.
        split: `heldout` draws names from parts that `train` never uses; relations and phrases are the same.
        num_documents: how many documents; each has its own entities.
        num_facts: least and largest number of facts a document.
        num_questions: at most this many questions, each about another fact.

    Returns:
        An example with source `facts`.
    """
    names = Names(rng, split)
    facts: list[Fact] = []
    documents: list[str] = []
    for _ in range(num_documents):
        groups = plan_document(names, rng.randint(*num_facts))
        documents.append(write_document(names, groups))
        facts += [fact for group in groups for fact in group.facts]
    occurrences = Counter((fact.relation, fact.value) for fact in facts)
    asked = rng.sample(facts, min(num_questions, len(facts)))
    questions = [ask(rng, fact, unique=occurrences[fact.relation, fact.value] == 1) for fact in asked]
    return Example(tuple(documents), tuple(questions), "facts")


def ask(rng: random.Random, fact: Fact, *, unique: bool) -> Question:
    """A question about the fact; if no other fact of its relation has the value, sometimes one for the entity."""
    if unique and fact.inverse_questions and rng.random() < 0.25:
        return Question(_vary(rng, rng.choice(fact.inverse_questions)), (fact.subject,))
    question = rng.choice(fact.questions)
    return Question(_vary(rng, question), alternatives(fact.value, question))


def _vary(rng: random.Random, question: str) -> str:
    """The question as it is, mostly, or as people type it."""
    choice = rng.random()
    if choice < 0.8 or not question.endswith("?"):
        return question
    lowered = question[0].lower() + question[1:]
    form = rng.choice(
        ("Question: {0}", "Please tell me: {1}", "I would like to know: {1}", "{0} Answer briefly.", "{2}")
    )
    return form.format(question, lowered, lowered.removesuffix("?"))
