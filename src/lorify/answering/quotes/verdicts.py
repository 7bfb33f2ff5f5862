"""Verdicts: whether the words that answer a question for yes or no say yes, by the negations in their sentence.

This is right for 80% of 60 such questions about generated documents, and for 68% of 34 about natural passages. The
extractor's own choice between yes and no is right for 50% and 62%, the base for 60% and 56% (docs/research-log.md).
"""

from __future__ import annotations

import re

_SENTENCE_END = re.compile(r"[.!?](?=\s)|\n")
_NEGATION = re.compile(
    r"\b(?:no|not|never|none|nobody|nothing|neither|nor|without|cannot|forbidden|prohibited|banned|excluded|refuse[sd]?|"
    r"except|only|closed|unavailable|lacks?|fails?|failed)\b|n['’]t\b",
    re.IGNORECASE,
)


def find_verdict(text: str, begin: int, end: int) -> str:
    """Return `Yes`, or `No` if the sentence around words has a negation.

    Args:
        text: a text.
        begin: index of the first character of the words that answer a question.
        end: index after their last character.
    """
    first = max((match.end() for match in _SENTENCE_END.finditer(text, 0, begin)), default=0)
    last = _SENTENCE_END.search(text, end)
    sentence = text[first : last.start() if last else len(text)]
    return "No" if _NEGATION.search(sentence) else "Yes"
