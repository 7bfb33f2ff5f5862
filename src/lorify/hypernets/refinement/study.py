"""Study: improve the adapter that answers all questions alike, from its documents alone.

A hypernetwork answers best if it focuses its adapter on the question. Exports cannot do that: they have one adapter for
all questions. Study writes questions about the documents' sentences in several wordings, answers them, and fits the
answers into the adapter in closed form.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from lorify.adapters import Adapter
from lorify.base.model import BaseLM
from lorify.contexts.documents import Document
from lorify.data.cloze.sentences import split_sentences
from lorify.data.cloze.statements import find_cloze_candidates, find_cloze_statements
from lorify.errors import ContextError
from lorify.hypernets.refinement.budget import Budget
from lorify.hypernets.refinement.least_squares import fit_answers
from lorify.hypernets.refinement.training_examples import TrainingExample
from lorify.hypernets.refinement.written_questions import (
    QuestionRequest,
    WrittenQuestion,
    requests_for_candidates,
    write_questions,
)

SAMPLES = 3
"""How often questions are written for each request; each time other wordings are sampled."""
MIN_WORDS = 3
"""No questions are written about shorter sentences."""

AnswerQuestions = Callable[[BaseLM, Sequence[WrittenQuestion], Budget], list[TrainingExample]]
"""Answers questions about sentences; those without a certain answer are left out."""


def study(
    base: BaseLM,
    adapter: Adapter,
    documents: Sequence[Document],
    *,
    seconds: float,
    answer: AnswerQuestions,
    writer: Adapter | None = None,
    seed: int = 0,
) -> Adapter:
    """Fit answers to questions about the documents into the adapter for all questions.

    Args:
        base: the base.
        adapter: the hypernetwork's adapter of the documents.
        documents: the documents.
        seconds: how long; the last round may take longer.
        answer: answers the questions.
        writer: an adapter of the base that writes questions (`lorify.data.cloze.question_writing`); None to make them
            by rule.
        seed: seeds the questions.

    Returns:
        The adapter with other weights. Answers that are focused stay the same, and documents can still be added and
        removed; the weights are then those of the hypernetwork again.

    Raises:
        ContextError: if no sentence yields a question with a certain answer.
    """
    budget = Budget(1, seconds)
    if writer is None:
        questions = _questions_by_rule(documents)
    else:
        requests = list(_requests(documents, random.Random(seed)))
        questions = write_questions(base, requests, writer, samples=SAMPLES, deadline=budget.half_way(), seed=seed)
    unique = list({each.question: each for each in reversed(questions)}.values())[::-1]
    examples = answer(base, unique, budget)
    if not examples:
        names = ", ".join(document.name for document in documents)
        raise ContextError(
            f"{names}: there is nothing to study, since no question about its sentences has a certain answer; "
            "leave study out"
        )
    studied = fit_answers(base, examples, adapter, is_over=budget.is_spent)
    provenance = adapter.provenance.model_copy(
        update={"studied_seconds": round(time.perf_counter() - budget.started, 1), "fidelity": None}
    )
    return replace(studied, provenance=provenance)


def _requests(documents: Sequence[Document], rng: random.Random) -> Iterator[QuestionRequest]:
    """Any questions about each sentence, then those for each date, quantity and name."""
    about = [
        QuestionRequest(sentences, index)
        for sentences in (split_sentences(document.text) for document in documents)
        for index, sentence in enumerate(sentences)
        if len(sentence.split()) >= MIN_WORDS and not sentence.endswith("?")
    ]
    named = [request for document in documents for request in requests_for_candidates(document.text)]
    for requests in (about, named):
        yield from rng.sample(requests, len(requests))


def _questions_by_rule(documents: Sequence[Document]) -> list[WrittenQuestion]:
    """A question for every date, quantity and name, and for the end of each sentence that has no other."""
    found: dict[str, WrittenQuestion] = {}
    for document in documents:
        sentences = split_sentences(document.text)
        for statement in (*find_cloze_candidates(document.text), *find_cloze_statements(document.text)):
            request = QuestionRequest(sentences, sentences.index(statement.sentence), statement.answer)
            found.setdefault(statement.question, WrittenQuestion(statement.question, request))
    return list(found.values())
