"""Suites of generated documents about entities whose names are never used in training."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from lorify.data.examples import Example, Question
from lorify.data.facts.generate import generate_fact_example
from lorify.data.facts.single_entity import generate_single_entity_example
from lorify.data.sources.questions import load_question_examples
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case, cases_from_examples
from lorify.facade import Lorify

TRAINING_NUM_FACTS = (6, 16)


def fact_examples(
    num_documents: int, *, seed: int = 0, num_questions: int = 6, num_facts: int = 0, num_pages: int = 1
) -> list[Example]:
    """Generate documents about entities whose names are never used in training.

    Args:
        num_documents: number of examples.
        seed: seed of the documents.
        num_questions: questions about each example.
        num_facts: facts on each page; 0: as many as in training.
        num_pages: texts that each example consists of.
    """
    facts = (num_facts, num_facts) if num_facts else TRAINING_NUM_FACTS
    return [
        generate_fact_example(
            random.Random(f"{seed}/evaluation/{i}"),
            split="heldout",
            num_documents=num_pages,
            num_questions=num_questions,
            num_facts=facts,
        )
        for i in range(num_documents)
    ]


class FactsSuite(Suite):
    """Generated documents that state facts about names never used in training."""

    name = "facts"
    documents: int = Field(34, ge=1, description="Number of documents.")
    questions: int = Field(6, ge=1, description="Questions about each document.")
    pages: int = Field(1, ge=1, description="Pages of about 220 tokens in each document.")
    seed: int = Field(0, description="Seed of the documents.")

    def build(self, model: Lorify) -> list[Case]:
        """Generate the documents and their questions."""
        examples = fact_examples(self.documents, seed=self.seed, num_questions=self.questions, num_pages=self.pages)
        examples = [replace(example, documents=("\n\n".join(example.documents),)) for example in examples]
        return cases_from_examples(model.base, examples)


class SingleEntitySuite(Suite):
    """Generated documents about one entity that is named only at the beginning, by a name never used in training."""

    name = "portraits"
    documents: int = Field(34, ge=1, description="Number of documents.")
    questions: int = Field(6, ge=1, description="Questions about each document.")
    seed: int = Field(0, description="Seed of the documents.")

    def build(self, model: Lorify) -> list[Case]:
        """Generate the documents and their questions."""
        examples = [
            generate_single_entity_example(
                random.Random(f"{self.seed}/evaluation/{i}"), split="heldout", num_questions=self.questions
            )
            for i in range(self.documents)
        ]
        return cases_from_examples(model.base, examples)


class ManySuite(Suite):
    """Many questions about one document, which is internalized once."""

    name = "many"
    documents: int = Field(2, ge=1, description="Number of documents.")
    questions: int = Field(100, ge=1, description="Questions about each document.")
    path: Path | None = Field(
        None,
        description="JSON Lines file of questions, whose passages are joined until they have enough questions; by "
        "default facts are generated.",
    )
    seed: int = Field(0, description="Seed of the documents.")

    def build(self, model: Lorify) -> list[Case]:
        """Generate the documents, or join passages of the file."""
        if self.path is None:
            examples = fact_examples(
                self.documents, seed=self.seed, num_questions=self.questions, num_facts=self.questions
            )
        else:
            examples = self._join_passages(self.path)
        return cases_from_examples(model.base, [Example(e.documents, e.questions, "many") for e in examples])

    def _join_passages(self, path: Path) -> list[Example]:
        passages = load_question_examples(path)
        random.Random(self.seed).shuffle(passages)
        joined: list[Example] = []
        texts: list[str] = []
        questions: list[Question] = []
        for passage in passages:
            texts += passage.documents
            questions += passage.questions
            if len(questions) >= self.questions:
                joined.append(Example(("\n\n".join(texts),), tuple(questions[: self.questions]), passage.source))
                texts, questions = [], []
            if len(joined) == self.documents:
                break
        return joined or [Example(("\n\n".join(texts),), tuple(questions), "many")]
