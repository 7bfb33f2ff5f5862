"""Scores of answers by the public formulas, and how far to trust their means.

Exact match and token F1 are those of the official script of SQuAD 2.0. It differs from that of 1.1 in one case: where
nothing is left of prediction and answer after normalization ("the" and "..."), F1 is 1 and not 0. ROUGE-L comes from
the rouge-score package. Intervals and tests resample whole groups (the questions of one document), since questions
about one document are right or wrong together.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from lorify.data.answers import normalize_answer
from lorify.data.tasks.schema import Metric

MEGABYTE = 1_000_000

_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*")


def exact_match(prediction: str, answers: Sequence[str]) -> float:
    """1 if the prediction equals one of the answers after normalization, else 0."""
    return float(any(normalize_answer(prediction) == normalize_answer(answer) for answer in answers))


def token_f1(prediction: str, answers: Sequence[str]) -> float:
    """Largest harmonic mean of token precision and recall over the answers; 1 where neither has a token (SQuAD 2.0)."""
    return max(_f1(normalize_answer(prediction).split(), normalize_answer(answer).split()) for answer in answers)


def _f1(predicted: list[str], expected: list[str]) -> float:
    if not predicted or not expected:
        return float(predicted == expected)
    common = (Counter(predicted) & Counter(expected)).total()
    return 2 * common / (len(predicted) + len(expected))


@dataclass(frozen=True)
class RougeL:
    """ROUGE-L of a prediction: F1 and recall of the longest common subsequence of words."""

    f1: float
    recall: float


def rouge_l(prediction: str, answers: Sequence[str]) -> RougeL:
    """ROUGE-L against the answer with the largest F1, without stemming (the rouge-score package)."""
    score = _rouge_scorer().score_multi(list(answers), prediction)["rougeL"]
    return RougeL(score.fmeasure, score.recall)


@cache
def _rouge_scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # here, since it brings nltk along, for stemming, at every import

    return RougeScorer(["rougeL"])


def score_answer(metric: Metric, prediction: str, answers: Sequence[str]) -> float:
    """Score of a prediction by a metric, 0 to 1."""
    match metric:
        case "exact":
            return float(prediction.strip() in {answer.strip() for answer in answers})
        case "normalized":
            return exact_match(prediction, answers)
        case "number":
            found = _last_number(prediction)
            return float(found is not None and found in {_last_number(answer) for answer in answers})
        case "f1":
            return token_f1(prediction, answers)
        case "rouge_l":
            return rouge_l(prediction, answers).f1


def _last_number(text: str) -> float | None:
    found = _NUMBER.findall(text)
    try:
        return float(found[-1].replace(",", "")) if found else None
    except ValueError:
        return None


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean."""
    return sum(values) / len(values)


def median(values: Iterable[float | None], digits: int, unit: float = 1.0) -> float | None:
    """Median of what is known, in units, rounded; None if nothing is."""
    known = [value for value in values if value is not None]
    return round(statistics.median(known) / unit, digits) if known else None


def length_bin(num_tokens: int) -> int:
    """The smallest power of two that is not below a length."""
    return 1 << max(0, num_tokens - 1).bit_length()


def bootstrap_interval(
    values: Sequence[float], *, groups: Sequence[Hashable] | None = None, seed: int = 0, resamples: int = 1000
) -> tuple[float, float]:
    """95% percentile bootstrap interval of the mean.

    Args:
        values: at least one score.
        groups: group of each value; whole groups are drawn. None: every value is its own group.
        seed: seed of the drawing.
        resamples: how often to draw.
    """
    sums, counts = _by_group(values, groups)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(resamples, len(sums)))
    low, high = np.quantile(sums[drawn].sum(1) / counts[drawn].sum(1), [0.025, 0.975])
    return float(low), float(high)


@dataclass(frozen=True)
class PairedResult:
    """How two methods differ on the same questions.

    Attributes:
        difference: mean score of the second minus that of the first.
        low: lower end of its 95% bootstrap interval.
        high: upper end.
        p_value: share of random sign flips of the groups' differences that give at least so large a difference.
    """

    difference: float
    low: float
    high: float
    p_value: float


def paired_test(
    first: Sequence[float],
    second: Sequence[float],
    *,
    groups: Sequence[Hashable] | None = None,
    seed: int = 0,
    resamples: int = 10_000,
) -> PairedResult:
    """Compare two methods on the same questions by a sign-flip permutation test (two-sided).

    Args:
        first: scores of one method.
        second: scores of the other, question by question.
        groups: group of each question; the signs of a group flip together. None: every question is its own group.
        seed: seed of flips and drawings.
        resamples: number of flips.
    """
    differences = [b - a for a, b in zip(first, second, strict=True)]
    sums, _ = _by_group(differences, groups)
    observed = abs(sums.sum())
    rng = np.random.default_rng(seed)
    as_large = 0
    for start in range(0, resamples, 1000):  # in parts: many groups times many flips is a lot of memory
        signs = rng.integers(0, 2, size=(min(1000, resamples - start), len(sums))) * 2 - 1
        as_large += int((abs(signs @ sums) >= observed - 1e-9).sum())
    low, high = bootstrap_interval(differences, groups=groups, seed=seed)
    return PairedResult(mean(differences), low, high, (1 + as_large) / (1 + resamples))


def _by_group(values: Sequence[float], groups: Sequence[Hashable] | None) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the values of each group, in order of appearance."""
    if groups is None:
        return np.asarray(values, dtype=float), np.ones(len(values))
    numbers: dict[Hashable, int] = {}
    index = [numbers.setdefault(group, len(numbers)) for group in groups]
    return np.bincount(index, weights=np.asarray(values, dtype=float)), np.bincount(index).astype(float)
