"""Compare answers without regard to case, punctuation and articles."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

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
