"""Build questions that a document does not answer, by deleting sentences, or by swapping as in SQuAD 2.0."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from lorify.data.answers import contains_answer, normalize_answer
from lorify.data.examples import Question

MIN_CHARACTERS = 120
"""Minimum length of a document after the answer is deleted."""


def without_answer(sentences: Sequence[str], answers: Sequence[str]) -> str | None:
    """Delete the sentences that contain an answer from a text.

    Args:
        sentences: the sentences of the text, including white space.
        answers: the acceptable answers.

    Returns:
        The text; None if no sentence contains an answer, or too little is left.
    """
    kept = [sentence for sentence in sentences if not contains_answer(sentence, answers)]
    shorter = "".join(kept).strip()
    return shorter if len(kept) < len(sentences) and len(shorter) >= MIN_CHARACTERS else None


def most_similar_question(text: str, questions: Sequence[Question]) -> Question | None:
    """Find the question about other documents with the largest fraction of its words in a text.

    Args:
        text: the document.
        questions: questions about other documents; questions whose answer is in the text are left out.

    Returns:
        The first of the best questions; None if none is left.
    """
    words = _words(text)

    def shared(question: Question) -> float:
        own = _words(question.text)
        return len(own & words) / max(1, len(own))

    # Searching a long text for answers is slower than comparing words, so it is done for only a few questions.
    best_first = sorted(questions, key=shared, reverse=True)
    return next((question for question in best_first if not contains_answer(text, question.answers)), None)


@lru_cache(maxsize=100_000)
def _words(text: str) -> frozenset[str]:
    return frozenset(normalize_answer(text).split())
