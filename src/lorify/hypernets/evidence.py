"""What a hypernetwork prepares for a question: the adapter to use, and where documents answer it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from lorify.adapters import Adapter

RIVAL_SHARE = 0.5
"""A document also answers a question if its most probable token has this share of the best document's probability."""
RIVAL_OVERLAP = 0.9
"""It must also have this share of the best document's word overlap, so that it is about the same entity."""
MIN_LATEST_PROBABILITY = 0.5
"""A document only replaces earlier ones if its most probable token belongs to the answer with this probability."""


class AnswerSpan(NamedTuple):
    """The most likely answer in a document.

    Attributes:
        begin: index of the first token.
        end: index after the last token.
        probability: of this span, among all spans of all documents that were asked.
    """

    begin: int
    end: int
    probability: float


@dataclass(frozen=True)
class TokenEvidence:
    """The tokens of a document, and how likely each belongs to the answer to a question.

    Attributes:
        document: name of the document.
        ids: its tokens, in order.
        probabilities: probability that each token belongs to the answer `[tokens]`.
        overlap: share of the question's word weight that the document has.
        span: the most likely answer; None if the reader does not find the ends of answers.
    """

    document: str
    ids: Sequence[int]
    probabilities: Tensor
    overlap: float = 1.0
    span: AnswerSpan | None = None

    @property
    def best(self) -> float:
        """Probability of the most probable token; 0 without tokens."""
        return self.probabilities.max().item() if len(self.probabilities) else 0.0


@dataclass(frozen=True)
class PreparedAdapter:
    """The adapter to answer a question with.

    Attributes:
        adapter: a focused adapter or the original one; None if it is off for this question.
        evidence: where its documents answer the question, as returned by `DocumentInternalizer.locate`; None if the
            reader was not needed and has not run.
    """

    adapter: Adapter | None
    evidence: Sequence[TokenEvidence] | None = None


def answering_documents(evidence: Sequence[TokenEvidence]) -> list[str]:
    """Find the documents that answer a question about as clearly as the best one.

    Returns:
        Their names, in order; none without evidence.
    """
    chosen = answering_indices([each.best for each in evidence], [each.overlap for each in evidence])
    return list(dict.fromkeys(evidence[i].document for i in chosen))


def superseded_documents(best: Sequence[float], overlaps: Sequence[float]) -> list[int]:
    """Find the documents superseded by a later one: if several answer a question, only the latest counts.

    Args:
        best: probability of the most probable token of each document, in document order.
        overlaps: share of the question's word weight found in each document.

    Returns:
        The indices of the earlier ones.
    """
    return answering_indices(best, overlaps, MIN_LATEST_PROBABILITY)[:-1]


def answering_indices(probabilities: Sequence[float], overlaps: Sequence[float], minimum: float = 0.0) -> list[int]:
    """Find the documents that answer a question about as clearly as the best one, and about the same entity.

    Args:
        probabilities: probability of the most probable token of each document.
        overlaps: share of the question's word weight found in each document.
        minimum: a document with a lower probability does not answer it.

    Returns:
        The indices of these documents.
    """
    if not probabilities:
        return []
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    needed, shared = max(minimum, RIVAL_SHARE * probabilities[best]), RIVAL_OVERLAP * overlaps[best]
    pairs = enumerate(zip(probabilities, overlaps, strict=True))
    return [i for i, (probability, overlap) in pairs if probability >= needed and overlap >= shared]
