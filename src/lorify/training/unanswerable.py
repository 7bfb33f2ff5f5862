"""Passages with questions that they do not answer."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from lorify.contexts.texts.chunking import split_into_sentences
from lorify.data.examples import Example, Question
from lorify.data.unanswerable import most_similar_question, without_answer

NUM_SWAPPED_FROM = 300
"""An unanswerable question is the most similar one among this many."""


def with_deleted_answers(passages: Sequence[Example]) -> dict[int, Example]:
    """Remove the sentences that answer the first question of each passage.

    Args:
        passages: the passages.

    Returns:
        The shortened passages with that question, by passage index, where this is possible.
    """
    found: dict[int, Example] = {}
    for number, passage in enumerate(passages):
        text, question = "\n\n".join(passage.documents), passage.questions[0]
        if shorter := without_answer(list(split_into_sentences(text)), question.answers):
            found[number] = Example((shorter,), (), passage.source, unanswerable=(question.text,))
    return found


def with_swapped_questions(rng: random.Random, passages: Sequence[Example]) -> list[Example]:
    """Give each passage a question about another passage of the same source.

    Args:
        rng: draws the questions to choose from.
        passages: the passages.

    Returns:
        The passages with that question; a passage whose source has no other is unchanged.
    """
    by_source: dict[str, list[tuple[Example, Question]]] = {}
    for passage in passages:
        by_source.setdefault(passage.source, []).extend((passage, question) for question in passage.questions)
    found: list[Example] = []
    for passage in passages:
        pool = by_source[passage.source]
        drawn = rng.sample(pool, min(len(pool), NUM_SWAPPED_FROM))
        others = [question for other, question in drawn if other is not passage]
        swapped = most_similar_question("\n\n".join(passage.documents), others)
        found.append(replace(passage, unanswerable=(swapped.text,)) if swapped is not None else passage)
    return found
