"""Reasons: `Why was the bridge closed?` is answered with the clause or sentence that gives the reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from lorify.answering.quotes.words import content_words
from lorify.answering.sources import Source

MIN_PROBABILITY = 0.3
"""The reader has to find the answer in the sentence with this probability."""
_WHY = re.compile(
    r"^\W*(?:(?:and|but|so)\W+)?(?:why|how come|for what reason|what (?:is|was|were|are) the reasons?)\b", re.IGNORECASE
)
_CLAUSE = re.compile(
    r"\b(?:because|due to|owing to|thanks to|in order to|so that|on account of)\b.*", re.IGNORECASE | re.DOTALL
)
_BACK = re.compile(r"^\W*(?:this|that|it) (?:is|was) (?:because|why|due)\b|^\W*(?:the|one) reason\b", re.IGNORECASE)


def asks_for_reason(question: str) -> bool:
    """Return whether a question asks for a reason."""
    return _WHY.search(question) is not None


def find_reason(question: str, documents: Sequence[Sequence[Source]]) -> tuple[str, Source] | None:
    """Find the reason that a question asks for, where the reader locates it or the sentence after that.

    Args:
        question: the question.
        documents: the sentences of each document.
    """
    sentences = [sentence for document in documents for sentence in document]
    words = content_words(question)
    best = max(sentences, key=lambda s: s.probability + _share(words, s))
    if best.probability < MIN_PROBABILITY:
        return None
    after = {id(first): second for document in documents for first, second in pairwise(document)}
    following = after.get(id(best))
    if following is not None and _BACK.search(following.sentence) and not _CLAUSE.search(best.sentence):
        best = following
    sentence = " ".join(best.sentence.split())
    clause = _CLAUSE.search(sentence)
    return (clause.group() if clause else sentence), best


def _share(words: set[str], sentence: Source) -> float:
    return len(words & content_words(sentence.sentence)) / max(1, len(words))
