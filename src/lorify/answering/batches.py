"""Answer many planned queries in batches that share work and waste little padding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from lorify.answering.answerer import Answer, Answerer
from lorify.answering.plan import AnswerPlan, Query
from lorify.base.decoding.sampling import GenerationOptions

BATCH_ROWS = 16
BATCH_CHARACTERS = 65_536
"""Maximum characters of the prompts of a batch, padding included; longer prompts gain nothing from a batch."""
SHARED_CHARACTERS = 400
"""Minimum length in characters of a document that gets its own batches, so that it is read once for all questions."""


def answer_in_batches(
    answerer: Answerer, planned: Sequence[tuple[Query, AnswerPlan]], options: GenerationOptions
) -> list[Answer]:
    """Answer queries in batches.

    Queries with the same document in their prompts share a batch. The others are batched by length.

    Args:
        answerer: answers them.
        planned: queries with their plans.
        options: length limit and sampling.

    Returns:
        The answers, in the order of the queries.
    """
    answers: dict[int, Answer] = {}
    for indices in _batches([query for query, _ in planned]):
        answers |= zip(indices, answerer.answer([planned[i][1] for i in indices], options), strict=True)
    return [answers[i] for i in range(len(planned))]


def _batches(queries: Sequence[Query]) -> Iterator[list[int]]:
    """Indices of the queries of each batch."""
    lengths = [query.num_characters for query in queries]
    for indices, by_length in _groups(queries):
        if by_length:
            indices.sort(key=lambda i: lengths[i])  # stable, so that the same queries give the same batches
        batch: list[int] = []
        for i in indices:
            longest = max(lengths[j] for j in [*batch, i])
            if batch and (len(batch) == BATCH_ROWS or (len(batch) + 1) * longest > BATCH_CHARACTERS):
                yield batch
                batch = []
            batch.append(i)
        yield batch


def _groups(queries: Sequence[Query]) -> Iterator[tuple[list[int], bool]]:
    """Indices of the queries that share a document, and of all others; True for those, which are batched by length."""
    uses = Counter(query.document for query in queries if query.document and len(query.document) >= SHARED_CHARACTERS)
    groups: dict[str, list[int]] = {}
    for i, query in enumerate(queries):
        document = query.document or ""
        groups.setdefault(document if uses[document] > 1 else "", []).append(i)
    for document, indices in groups.items():
        yield indices, not document
