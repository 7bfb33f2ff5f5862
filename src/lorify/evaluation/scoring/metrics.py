"""Metrics of answers, and intervals and tests for their means.

Exact match and token F1 follow the official script of SQuAD 2.0. It differs from the script of 1.1 in one case: if
normalization leaves nothing of both prediction and answer ("the" and "..."), F1 is 1 and not 0. ROUGE-L comes from the
rouge-score package. Intervals and tests resample whole groups, because answers about the same document are correlated.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from lorify.data.answers import normalize_answer, token_f1
from lorify.data.tasks.schema import Metric
from lorify.evaluation.scoring import free_answers, instruction_induction, json_values
from lorify.evaluation.scoring.benchmark_answers import passes, same_choice, same_last_number, same_truth
from lorify.evaluation.scoring.published import word_overlap

MEGABYTE = 1_000_000
RESAMPLES = 1000
"""Number of resamples of an interval."""
SIGN_FLIPS, FLIPS_AT_ONCE = 10_000, 1000
"""Number of sign flips of a test, and of those in memory at once."""
PUBLISHED_METRICS: tuple[Metric, ...] = ("qa_f1", "rouge_l_stemmed")
"""Metrics of Doc-to-LoRA's evaluation."""

_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*")


def exact_match(prediction: str, answers: Sequence[str]) -> float:
    """Return 1 if the prediction equals one of the answers after normalization, else 0."""
    return float(any(normalize_answer(prediction) == normalize_answer(answer) for answer in answers))


@dataclass(frozen=True)
class RougeL:
    """F1 and recall of the longest common subsequence of words."""

    f1: float
    recall: float


def rouge_l(prediction: str, answers: Sequence[str], *, stemmed: bool = False) -> RougeL:
    """Compute ROUGE-L against the answer with the largest F1 (rouge-score package).

    Args:
        prediction: the answer.
        answers: acceptable answers.
        stemmed: compare words without their endings (Porter stemmer).
    """
    score = _rouge_scorer(stemmed).score_multi(list(answers), prediction)["rougeL"]
    return RougeL(score.fmeasure, score.recall)


@cache
def _rouge_scorer(stemmed: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # imported here because it imports nltk

    return RougeScorer(["rougeL"], use_stemmer=stemmed)


def score_answer(metric: Metric, prediction: str, answers: Sequence[str]) -> float:
    """Score a prediction by a metric, from 0 to 1."""
    return _SCORERS[metric](prediction, answers)


def _same_text(prediction: str, answers: Sequence[str]) -> float:
    return float(prediction.strip() in {answer.strip() for answer in answers})


def _same_number(prediction: str, answers: Sequence[str]) -> float:
    found = _last_number(prediction)
    return float(found is not None and found in {_last_number(answer) for answer in answers})


def _last_number(text: str) -> float | None:
    found = _NUMBER.findall(text)
    try:
        return float(found[-1].replace(",", "")) if found else None
    except ValueError:
        return None


_SCORERS: Mapping[Metric, Callable[[str, Sequence[str]], float]] = {
    "exact": _same_text,
    "normalized": exact_match,
    "number": _same_number,
    "f1": token_f1,
    "rouge_l": lambda prediction, answers: rouge_l(prediction, answers).f1,
    "contained": free_answers.contained,
    "quantity": free_answers.quantity,
    "verdict": free_answers.verdict,
    "listed": free_answers.listed,
    "word_recall": free_answers.word_recall,
    "key_points": free_answers.key_points,
    "declined": free_answers.declined,
    "qa_f1": lambda prediction, answers: word_overlap(prediction, answers).f1,
    "rouge_l_stemmed": lambda prediction, answers: rouge_l(prediction, answers, stemmed=True).f1,
    "choice": same_choice,
    "boolean": same_truth,
    "last_number": same_last_number,
    "program": passes,
    "json_value": json_values.same_value,
    "json_words": json_values.same_words,
    "induction_exact": instruction_induction.exact,
    "induction_f1": instruction_induction.f1,
    "induction_set": instruction_induction.same_words,
    "induction_contains": instruction_induction.contains,
}


def mean(values: Sequence[float]) -> float:
    """Compute the arithmetic mean of at least one value."""
    return sum(values) / len(values)


def median(values: Iterable[float | None], digits: int, unit: float = 1.0) -> float | None:
    """Compute the median of the values that are not None, in units and rounded; None if there are none.

    Args:
        values: the values; None is left out.
        unit: value of one unit.
        digits: digits after the point.
    """
    known = [value for value in values if value is not None]
    return round(statistics.median(known) / unit, digits) if known else None


def length_bin(num_tokens: int) -> int:
    """Return the smallest power of two that is not below a length."""
    return 1 << max(0, num_tokens - 1).bit_length()


def bootstrap_interval(values: Sequence[float], *, groups: Sequence[Hashable] | None = None) -> tuple[float, float]:
    """Compute the 95% percentile bootstrap interval of the mean.

    Args:
        values: at least one score.
        groups: group of each value; whole groups are resampled. None: every value is its own group.
    """
    sums, counts = _by_group(values, groups)
    drawn = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
    low, high = np.quantile(sums[drawn].sum(1) / counts[drawn].sum(1), [0.025, 0.975])
    return float(low), float(high)


@dataclass(frozen=True)
class PairedResult:
    """Difference between two methods on the same questions.

    Attributes:
        difference: mean score of the second minus that of the first.
        low: lower end of its 95% bootstrap interval.
        high: upper end.
        p_value: share of random sign flips of the groups' differences with at least as large a mean difference.
    """

    difference: float
    low: float
    high: float
    p_value: float


def paired_test(
    first: Sequence[float], second: Sequence[float], *, groups: Sequence[Hashable] | None = None
) -> PairedResult:
    """Compare two methods on the same questions by a sign-flip permutation test (two-sided).

    Args:
        first: scores of one method.
        second: scores of the other method, in the same order of questions.
        groups: group of each question; the signs of a group flip together. None: every question is its own group.
    """
    differences = [b - a for a, b in zip(first, second, strict=True)]
    sums, _ = _by_group(differences, groups)
    observed = abs(sums.sum())
    rng = np.random.default_rng(0)
    as_large = 0
    for _ in range(SIGN_FLIPS // FLIPS_AT_ONCE):
        signs = rng.integers(0, 2, size=(FLIPS_AT_ONCE, len(sums))) * 2 - 1
        as_large += int((abs(signs @ sums) >= observed - 1e-9).sum())
    low, high = bootstrap_interval(differences, groups=groups)
    return PairedResult(mean(differences), low, high, (1 + as_large) / (1 + SIGN_FLIPS))


def _by_group(values: Sequence[float], groups: Sequence[Hashable] | None) -> tuple[np.ndarray, np.ndarray]:
    """Compute the sum and number of values of each group, in order of appearance."""
    if groups is None:
        return np.asarray(values, dtype=float), np.ones(len(values))
    numbers: dict[Hashable, int] = {}
    index = [numbers.setdefault(group, len(numbers)) for group in groups]
    return np.bincount(index, weights=np.asarray(values, dtype=float)), np.bincount(index).astype(float)
