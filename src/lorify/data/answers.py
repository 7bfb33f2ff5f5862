"""Compare answers without regard to case, punctuation and articles, as in SQuAD."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

LEFT_OUT = "left out"
"""Stands for a field missing from a JSON object; it is not JSON, so no value is written like this."""
NOT_STATED = "The document does not say."
"""Reply when the documents do not state the answer."""

YES_OR_NO = ("yes", "no")
"""Normalized answers that are verdicts."""

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_WORD = re.compile(r"\w+(?:['’]\w+)*")


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


def closest_words(text: str, answers: Sequence[str]) -> tuple[str, float]:
    """Find the words of a text that are most similar to an answer.

    Args:
        text: the text.
        answers: the answers, at least one.

    Returns:
        A run of words from the text, empty if it contains no word of an answer, and its token F1.
    """
    words = [(match[0].lower(), match.start(), match.end()) for match in _WORD.finditer(text)]
    begin, end, f1 = max((_closest_words(words, answer) for answer in answers), key=lambda found: found[2])
    return text[begin:end], f1


def _closest_words(words: Sequence[tuple[str, int, int]], answer: str) -> tuple[int, int, float]:
    """Return begin and end, in characters, of the run of words most similar to an answer, and its F1."""
    wanted = Counter(normalize_answer(answer).split())
    known = [number for number, (word, _, _) in enumerate(words) if word in wanted]
    best = 0, 0, 0.0
    for index, first in enumerate(known):
        found: Counter[str] = Counter()
        common = 0
        for last in known[index:]:
            length = last - first + 1
            if length > 2 * wanted.total():
                break
            found[words[last][0]] += 1
            common += found[words[last][0]] <= wanted[words[last][0]]
            f1 = 2 * common / (length + wanted.total())
            if f1 > best[2]:
                best = words[first][1], words[last][2], f1
    return best


def _f1(predicted: list[str], expected: list[str]) -> float:
    if not predicted or not expected:
        return float(predicted == expected)
    common = (Counter(predicted) & Counter(expected)).total()
    return 2 * common / (len(predicted) + len(expected))
