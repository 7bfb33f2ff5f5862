"""Metrics of answers in people's words: facts inside of sentences, quantities, verdicts, lists, summaries, refusals.

An answer may be a sentence, as long as it is short: no metric rewards repeating the document.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lorify.data.answers import contains_answer, normalize_answer
from lorify.data.number_words import NUMBER_IN_WORDS, read_number_words

MAX_WORDS = 40
"""Further words of a prediction are not read."""

_NUMBER = re.compile(rf"(?P<digits>\d+(?:[.,]\d+)*)|{NUMBER_IN_WORDS.pattern}", re.IGNORECASE)
_ITEM_ENDS = re.compile(r"[,;\n]|\band\b|\bor\b|\u2022|(?:^|\s)[-*]\s")
_VERDICT = re.compile(r"\b(yes|no|not|cannot)\b|n't\b", re.IGNORECASE)
_REFUSAL = re.compile(
    r"(?:\b(?:not|no|never|unknown|unable|cannot)|n't)\b.{0,40}?\b(?:say|says|said|state|stated|mention|mentioned|specif\w+|"
    r"provid\w+|contain\w*|includ\w+|give|given|inform\w+|found|known|know|answer\w*|determine\w*)\b",
    re.IGNORECASE | re.DOTALL,
)


def contained(prediction: str, answers: Sequence[str]) -> float:
    """Return 1 if the beginning of the prediction contains one of the answers, else 0."""
    return float(contains_answer(_beginning(prediction), answers))


def quantity(prediction: str, answers: Sequence[str]) -> float:
    """Return 1 if the prediction contains an answer with its unit, 0.5 if only its first number is right, else 0."""
    if contained(prediction, answers):
        return 1.0
    numbers = [_number(answer) for answer in answers]
    return 0.5 * float((found := _number(prediction)) is not None and found in numbers)


def verdict(prediction: str, answers: Sequence[str]) -> float:
    """Return 1 if the first yes or no of the prediction is that of the answers, else 0; `not` counts as no."""
    found = _VERDICT.search(_beginning(prediction))
    if found is None:
        return 0.0
    said = "yes" if found.group().lower() == "yes" else "no"
    return float(said in {normalize_answer(answer) for answer in answers})


def listed(prediction: str, answers: Sequence[str]) -> float:
    """Compute F1 over the items of a list; `answers` are its items, each with at most one spelling."""
    beginning = _beginning(prediction)
    named = sum(contains_answer(beginning, [item]) for item in answers)
    num_predicted = max(named, sum(1 for part in _ITEM_ENDS.split(beginning) if part.strip()))
    return 2 * named / (num_predicted + len(answers))


def word_recall(prediction: str, answers: Sequence[str]) -> float:
    """Compute the largest share of an answer's words that occur in the prediction in their order (ROUGE-L recall)."""
    predicted = normalize_answer(_beginning(prediction)).split()
    expected = [normalize_answer(answer).split() for answer in answers]
    return max(_common_subsequence(predicted, words) / len(words) for words in expected)


def key_points(prediction: str, answers: Sequence[str]) -> float:
    """Compute the share of the answers, the points of a summary, that the prediction names; inflected forms count."""
    beginning = normalize_answer(_beginning(prediction))
    return sum(normalize_answer(point) in beginning for point in answers) / len(answers)


def declined(prediction: str, answers: Sequence[str]) -> float:
    """Return 1 if the prediction says that the answer is not known, else 0."""
    del answers
    return float(_REFUSAL.search(_beginning(prediction)) is not None)


def _beginning(text: str) -> str:
    """Cut a text after `MAX_WORDS` words, keeping its line breaks."""
    ends = [match.end() for match in re.finditer(r"\S+", text)]
    return text if len(ends) <= MAX_WORDS else text[: ends[MAX_WORDS - 1]]


def _number(text: str) -> float | None:
    found = _NUMBER.search(text)
    if found is None:
        return None
    if found["digits"] is None:
        return float(read_number_words(found[0]))
    try:
        return float(found["digits"].replace(",", ""))
    except ValueError:  # such as 1.2.3
        return None


def _common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    lengths = [0] * (len(second) + 1)
    for word in first:
        diagonal = 0
        for i, other in enumerate(second, start=1):
            above = lengths[i]
            lengths[i] = diagonal + 1 if word == other else max(above, lengths[i - 1])
            diagonal = above
    return lengths[-1]
