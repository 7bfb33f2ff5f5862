"""Cases: what a method is given at a time, a context with its questions."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lorify.base.model import BaseModel
from lorify.data.examples import Example, Question
from lorify.data.facts import generate_fact_example


@dataclass(frozen=True)
class Case:
    """A context and the questions about it.

    Attributes:
        id: name of the case, one of its kind in the suite.
        documents: the context's documents.
        questions: questions with their acceptable answers.
        source: data set or generator.
        length_tokens: length of the documents in tokens of the base.
        condition: what sets the case apart inside its source, such as the number of other documents; may be empty.
        depth_bin: where the answer lies, for a needle.
        answers_are_the_bases: the right answers are what the bare base says.
    """

    id: str
    documents: tuple[str, ...]
    questions: tuple[Question, ...]
    source: str
    length_tokens: int
    condition: str = ""
    depth_bin: int | None = None
    answers_are_the_bases: bool = False


def make_case(
    base: BaseModel, name: str, example: Example, *, condition: str = "", answers_are_the_bases: bool = False
) -> Case:
    """The case of an example; its documents are measured."""
    length = sum(len(base.encode_text(document)) for document in example.documents)
    return Case(
        name,
        example.documents,
        example.questions,
        example.source,
        length,
        condition,
        answers_are_the_bases=answers_are_the_bases,
    )


def cases_from_examples(base: BaseModel, examples: Iterable[Example]) -> list[Case]:
    """One case for each example."""
    return [make_case(base, f"{example.source}-{i}", example) for i, example in enumerate(examples)]


def draw_cases(
    base: BaseModel, examples: Sequence[Example], num_documents: int, num_questions: int, seed: int
) -> list[Case]:
    """A sample of examples as cases, each with its first questions."""
    drawn = random.Random(seed).sample(examples, min(num_documents, len(examples)))
    return cases_from_examples(base, [Example(e.documents, e.questions[:num_questions], e.source) for e in drawn])


def fact_examples(num_documents: int, *, seed: int = 0, num_questions: int = 6, num_facts: int = 0) -> list[Example]:
    """Generated documents about entities whose names training never uses.

    Args:
        num_documents: how many.
        seed: seed of the documents.
        num_questions: questions about each.
        num_facts: facts of each; 0: as many as in training.
    """
    facts = (num_facts, num_facts) if num_facts else (6, 16)
    return [
        generate_fact_example(
            random.Random(f"{seed}/evaluation/{i}"), split="heldout", num_questions=num_questions, num_facts=facts
        )
        for i in range(num_documents)
    ]
