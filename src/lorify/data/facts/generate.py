"""Documents full of invented facts, with questions: training and evaluation data of the document hypernetwork."""

from __future__ import annotations

import random
from collections import Counter

from lorify.data.examples import Example, Question
from lorify.data.facts.entities import Fact, FactGroup
from lorify.data.facts.layouts import write_document
from lorify.data.facts.names import Names, Split
from lorify.data.facts.plan import plan_document
from lorify.data.facts.unanswerable import draw_unstated_facts
from lorify.data.facts.values import accepted_answers

INVERSE_QUESTION_SHARE = 0.25
UNCHANGED_QUESTION_SHARE = 0.8
QUESTION_FORMS = (
    "Question: {question}",
    "Please tell me: {lowered}",
    "I would like to know: {lowered}",
    "{question} Answer briefly.",
    "{unmarked}",
)
"""Ways in which users type a question: unchanged, in lower case, or also without the question mark."""


def generate_fact_example(
    rng: random.Random,
    *,
    split: Split = "train",
    num_documents: int = 1,
    num_facts: tuple[int, int] = (6, 16),
    num_questions: int = 6,
    num_unanswerable: int = 0,
) -> Example:
    """Generate documents about invented people, companies, events, rules, ships, recipes, software and more.

    No two entities of an example share a name, each has at most one value per relation, and every question names its
    entity, so that a question has a single answer across all documents. Answers appear verbatim in the documents,
    except `Yes` and `No`.

    Args:
        rng: source of randomness; the same state gives the same example.
        split: `heldout` draws names from parts that `train` never uses; relations and phrases are the same.
        num_documents: number of documents; each has its own entities.
        num_facts: minimum and maximum number of facts per document.
        num_questions: maximum number of questions, each about another fact.
        num_unanswerable: maximum number of questions that the documents do not answer.

    Returns:
        An example with source `facts`.
    """
    names = Names(rng, split)
    facts: list[Fact] = []
    all_groups: list[FactGroup] = []
    documents: list[str] = []
    for _ in range(num_documents):
        groups = plan_document(names, rng.randint(*num_facts))
        all_groups += groups
        documents.append(write_document(names, groups))
        facts += [fact for group in groups for fact in group.facts]
    counts = Counter((fact.relation, fact.value) for fact in facts)
    sampled = rng.sample(facts, min(num_questions, len(facts)))
    questions = [build_question(rng, fact, unique=counts[fact.relation, fact.value] == 1) for fact in sampled]
    unstated = draw_unstated_facts(names, all_groups, num_unanswerable) if num_unanswerable else []
    unanswerable = tuple(build_question(rng, fact, unique=False).text for fact in unstated)
    return Example(tuple(documents), tuple(questions), "facts", unanswerable=unanswerable)


def build_question(rng: random.Random, fact: Fact, *, unique: bool) -> Question:
    """Build a question about a fact.

    Args:
        rng: source of randomness.
        fact: the fact.
        unique: whether no other fact of its relation has the value; only then may the question ask for the entity.
    """
    if unique and fact.inverse_questions and rng.random() < INVERSE_QUESTION_SHARE:
        return Question(_vary(rng, rng.choice(fact.inverse_questions)), (fact.subject,))
    question = rng.choice(fact.questions)
    return Question(_vary(rng, question), accepted_answers(fact.value, question))


def _vary(rng: random.Random, question: str) -> str:
    """Leave most questions unchanged, and write the others in a form that users type."""
    choice = rng.random()
    if choice < UNCHANGED_QUESTION_SHARE or not question.endswith("?"):
        return question
    lowered = question[0].lower() + question[1:]
    form = rng.choice(QUESTION_FORMS)
    return form.format(question=question, lowered=lowered, unmarked=lowered.removesuffix("?"))
