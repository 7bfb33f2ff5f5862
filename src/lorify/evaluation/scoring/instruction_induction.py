"""The metrics of instruction induction: exact match, F1, set of words, and contained answer.

Source: Instruction Induction (arXiv 2205.10782), section 3.3, and github.com/orhonovich/instruction-induction
(`evaluate.py`). Only the first sentence of the first line of an answer counts.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence

_IGNORED = (" and ", "Sentence 1:", "Sentence 2:")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def exact(prediction: str, answers: Sequence[str]) -> float:
    """Return 1 if the prediction equals one of the answers after normalization, else 0."""
    return float(any(_normalize(prediction) == _normalize(answer) for answer in answers))


def f1(prediction: str, answers: Sequence[str]) -> float:
    """Compute the largest F1 of words over the answers."""
    return max(_f1(_normalize(prediction).split(), _normalize(answer).split()) for answer in answers)


def same_words(prediction: str, answers: Sequence[str]) -> float:
    """Return 1 if the prediction has the words of one of the answers, in any order and number, else 0."""
    words = set(_normalize(prediction).split())
    return float(any(words == set(_normalize(answer).split()) for answer in answers))


def contains(prediction: str, answers: Sequence[str]) -> float:
    """Return 1 if the prediction contains one of the answers as a run of words, else 0."""
    text = f" {' '.join(_normalize(prediction).split())} "
    return float(any(f" {' '.join(_normalize(answer).split())} " in text for answer in answers))


def _normalize(text: str) -> str:
    for ignored in _IGNORED:
        text = text.replace(ignored, " ")
    sentence = text.strip().split("\n")[0].split(".")[0].lower()
    return sentence.replace("-", " ").translate(_PUNCTUATION)


def _f1(predicted: list[str], expected: list[str]) -> float:
    common = (Counter(predicted) & Counter(expected)).total()
    return 2 * common / (len(predicted) + len(expected)) if common else 0.0
