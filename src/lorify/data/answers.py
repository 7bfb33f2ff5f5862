"""Compare answers without regard to case, punctuation and articles, as in SQuAD."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

NOT_STATED = "The document does not say."
"""Reply in place of an answer that the documents do not state."""

_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_answer(text: str) -> str:
    """Convert to lower case and remove punctuation, English articles and repeated white space."""
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text.lower().translate(_PUNCTUATION)).split())


def contains_answer(prediction: str, answers: Sequence[str]) -> bool:
    """Return whether the normalized prediction contains one of the normalized answers as a run of words."""
    words = normalize_answer(prediction).split()
    for answer in answers:
        wanted = normalize_answer(answer).split()
        if wanted and any(words[i : i + len(wanted)] == wanted for i in range(len(words) - len(wanted) + 1)):
            return True
    return False


def token_f1(prediction: str, answers: Sequence[str]) -> float:
    """Compute the largest token F1 over the answers; 1 if neither side has a token (SQuAD 2.0)."""
    return max(_f1(normalize_answer(prediction).split(), normalize_answer(answer).split()) for answer in answers)


def _f1(predicted: list[str], expected: list[str]) -> float:
    if not predicted or not expected:
        return float(predicted == expected)
    common = (Counter(predicted) & Counter(expected)).total()
    return 2 * common / (len(predicted) + len(expected))
