"""Questions that a document answers, and questions that it does not: by deletion, and by swapping as in SQuAD 2.0."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from lorify.contexts.texts.chunking import split_into_sentences
from lorify.data.answers import NOT_STATED
from lorify.data.examples import Example, Question
from lorify.data.sources.questions import load_question_examples
from lorify.data.unanswerable import most_similar_question, without_answer
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case, make_case
from lorify.evaluation.suites.facts import fact_examples
from lorify.facade import Lorify

GIVEN, DELETED, SWAPPED = "given", "deleted", "swapped"


class UnanswerableSuite(Suite):
    """Questions that a document answers, that it no longer answers without some sentences, and that another answers."""

    name = "unanswerable"
    default_methods = "icl:shots=3,adapter,adapter:decline=true"
    path: Path | None = Field(
        None, description="JSON Lines file or folder of questions; by default facts are generated."
    )
    documents: int = Field(30, ge=2, description="Number of documents.")
    questions: int = Field(2, ge=1, description="Maximum number of answerable questions about each document.")
    seed: int = Field(0, description="Seed of documents and questions.")

    def build(self, model: Lorify) -> list[Case]:
        """Draw documents, and make the questions that they do not answer."""
        return unanswerable_cases(model, self._examples(), self.questions, self.seed)

    def _examples(self) -> list[Example]:
        if self.path is None:
            return fact_examples(self.documents, seed=self.seed, num_questions=4)
        found = load_question_examples(self.path)
        return random.Random(self.seed).sample(found, min(self.documents, len(found)))


def unanswerable_cases(model: Lorify, examples: Sequence[Example], num_questions: int, seed: int) -> list[Case]:
    """Make the cases: each document as it is, and without the sentences that answer one of its questions.

    Args:
        model: its tokenizer counts tokens.
        examples: documents with questions.
        num_questions: maximum number of answerable questions about each document.
        seed: seed of the choice of questions.
    """
    rng = random.Random(f"{seed}/unanswerable")
    cases: list[Case] = []
    for number, example in enumerate(examples):
        text = "\n\n".join(example.documents)
        questions = rng.sample(example.questions, min(num_questions, len(example.questions)))
        asked = [replace(question, kind=GIVEN, metric="f1") for question in questions]
        others = [
            question for other in examples if other.documents != example.documents for question in other.questions
        ]
        swapped = most_similar_question(text, others)
        asked += [_unanswered(swapped, SWAPPED)] if swapped is not None else []
        pairs = [(text, asked)]
        if (shorter := without_answer(list(split_into_sentences(text)), questions[0].answers)) is not None:
            pairs.append((shorter, [_unanswered(questions[0], DELETED)]))
        for part, (document, own) in enumerate(pairs):
            name = f"{example.source}-{number}-{part}"
            cases.append(make_case(model.base, name, Example((document,), tuple(own), example.source)))
    return cases


def _unanswered(question: Question, kind: str) -> Question:
    return Question(question.text, (NOT_STATED,), kind, "declined")
