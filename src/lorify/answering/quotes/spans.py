"""Spans: a question for a name, a date or another short answer is answered with the words that the reader found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from lorify.answering.quotes.words import last_sentence
from lorify.answering.sources import Decode
from lorify.hypernets.evidence import TokenEvidence

MIN_SPAN_PROBABILITY = 0.05
"""Less probable words are not quoted; then the base answers with the focused adapter."""
MIN_ANSWER_PROBABILITY = 0.05
"""Nothing is quoted from documents no token of which belongs to the answer with this probability."""
_WH_WORD = re.compile(r"\b(?:who|whom|whose|what|when|where|which|how)\b", re.IGNORECASE)
_YES_OR_NO = re.compile(
    r"(?:is|are|was|were|do|does|did|can|could|will|would|should|shall|may|might|must|has|have|had)(?:n['’]t)?\b",
    re.IGNORECASE,
)
_POLITE = re.compile(r"\b(?:tell|know|say|show|explain|remember)\b", re.IGNORECASE)


def asks_for_words(question: str) -> bool:
    """Return whether words of a document may answer a question: not one for yes or no, and not a request to write."""
    last = last_sentence(question)
    found = _WH_WORD.search(last)
    if found is None or not (last.endswith("?") or found.start() == 0):
        return False
    return _YES_OR_NO.match(last) is None or _POLITE.search(last[: found.start()]) is not None


class FoundSpan(NamedTuple):
    """Words of a document in one line, and how likely the reader takes them for the answer."""

    text: str
    probability: float


def find_span(evidence: Sequence[TokenEvidence], decode: Decode) -> FoundSpan | None:
    """Find the words of documents that most likely answer a question.

    Args:
        evidence: the documents that were asked.
        decode: token ids -> text.

    Returns:
        The words; None if the reader did not find any with enough certainty.
    """
    # Some span is always the likeliest, even where no token belongs to an answer.
    found = [
        (document.span.probability * document.best, document.span, document.ids)
        for document in evidence
        if document.span is not None
        and document.span.probability >= MIN_SPAN_PROBABILITY
        and document.best >= MIN_ANSWER_PROBABILITY
    ]
    if not found:
        return None
    _, span, ids = max(found, key=lambda item: item[0])
    text = " ".join(decode(ids[span.begin : span.end]).split())
    return FoundSpan(text, span.probability) if text else None
