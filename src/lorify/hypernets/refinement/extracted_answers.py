"""Training examples whose answers an extractor finds in the sentences that their questions were written about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from lorify.base.chat.prompts import PromptBuilder
from lorify.base.model import BaseLM
from lorify.hypernets.refinement.budget import Budget
from lorify.hypernets.refinement.training_examples import TrainingExample, known_answer
from lorify.hypernets.refinement.written_questions import WrittenQuestion

MIN_PROBABILITY = 0.3
"""An answer is learned only if it is at least as probable."""
SENTENCES_BEFORE, SENTENCES_AFTER = 2, 1
"""Sentences around that of a question in which its answer may be."""


class FoundWords(Protocol):
    """Words of a text that answer a question."""

    @property
    def begin(self) -> int:
        """Index of the first character."""
        ...

    @property
    def end(self) -> int:
        """Index after the last character."""
        ...

    @property
    def probability(self) -> float:
        """Probability that they are the answer."""
        ...


FindWords = Callable[[Sequence[tuple[str, str]]], Sequence[FoundWords | None]]
"""Finds the words that answer a question, for each pair of a question and a text."""


def extracted_answers(
    base: BaseLM, questions: Sequence[WrittenQuestion], _budget: Budget, *, find: FindWords, prompts: PromptBuilder
) -> list[TrainingExample]:
    """Answer written questions with words of their sentences, and keep the answers that are probable enough.

    Args:
        base: the base.
        questions: the questions.
        find: finds the words.
        prompts: builds the prompts as when the adapter is used.

    Returns:
        Questions with answers.
    """
    texts = [_around(question) for question in questions]
    found = find([(each.question, text) for each, text in zip(questions, texts, strict=True)])
    return [
        _example(base, each.question, " ".join(text[words.begin : words.end].split()), prompts)
        for each, text, words in zip(questions, texts, found, strict=True)
        if words is not None and words.probability >= MIN_PROBABILITY
    ]


def _around(question: WrittenQuestion) -> str:
    """The beginning of the document, which says what it is about, and the sentences around that of a question."""
    sentences, index, _ = question.request
    first = max(0, index - SENTENCES_BEFORE)
    shown = [*sentences[: min(1, first)], *sentences[first : index + SENTENCES_AFTER + 1]]
    return " ".join(shown)


def _example(base: BaseLM, question: str, answer: str, prompts: PromptBuilder) -> TrainingExample:
    # With a leading space, as hypernetworks are trained to answer: that is the token of a word inside a text.
    target = [*base.encode_text(f" {answer}"), min(base.stop_ids)]
    return known_answer(base, question, prompts.question_ids(question), target)
