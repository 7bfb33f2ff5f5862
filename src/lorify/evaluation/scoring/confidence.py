"""Fit the confidence model of a hypernetwork: a logistic regression, measured on held-out documents."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from lorify.answering.calibration.confidence import ConfidenceModel
from lorify.answering.calibration.fitted import MAX_ODDS
from lorify.errors import EvaluationError

FALSE_WARNINGS = 0.05
"""Share of the right answers that may carry a warning."""
RIDGE = 1.0
NEWTON_STEPS = 25
FOLDS = 5


def fit_confidence(
    signals: Sequence[Sequence[float]], is_right: Sequence[bool], groups: Sequence[Hashable], hypernetwork_digest: str
) -> ConfidenceModel:
    """Fit the regression and measure it on held-out documents.

    The threshold warns of at most `FALSE_WARNINGS` of the right answers on documents left out of the fit.

    Args:
        signals: signals of each answer.
        is_right: whether each answer was right.
        groups: the document of each answer; the questions about a document are all fitted to or all held out.
        hypernetwork_digest: SHA-256 of the weights of the hypernetwork that made the adapters.

    Raises:
        EvaluationError: if all answers are right, all are wrong, or all are about one document.
    """
    fit = fit_by_document(signals, is_right, groups)
    right = fit.unseen[np.asarray(is_right, dtype=bool)]
    return ConfidenceModel(
        hypernetwork_digest=hypernetwork_digest,
        bias=fit.bias,
        weights=fit.weights,  # pyright: ignore[reportArgumentType]
        threshold=threshold_below(right, FALSE_WARNINGS),
        auroc=round(auroc(fit.unseen.tolist(), list(is_right)), 4),
        questions=len(is_right),
    )


@dataclass(frozen=True)
class LogisticFit:
    """A logistic regression, and its probabilities on documents that were left out of the fit.

    Attributes:
        bias: log-odds where all signals are 0.
        weights: log-odds per unit of each signal.
        unseen: probability of each answer, by a fit to other documents `[answers]`.
    """

    bias: float
    weights: tuple[float, ...]
    unseen: np.ndarray


def fit_by_document(
    signals: Sequence[Sequence[float]], is_right: Sequence[bool], groups: Sequence[Hashable]
) -> LogisticFit:
    """Fit a logistic regression to all answers, and cross-validate it over parts of the documents.

    Args:
        signals: signals of each answer.
        is_right: the outcome to predict for each answer.
        groups: the document of each answer; the questions about a document are all fitted to or all held out.

    Raises:
        EvaluationError: if all outcomes are the same, or all answers are about one document.
    """
    x, y = np.asarray(signals, dtype=float), np.asarray(is_right, dtype=float)
    numbers = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    if len(set(y.tolist())) < 2 or len(numbers) < 2:
        raise EvaluationError(
            f"{int(y.sum())} of {len(y)} answers about {len(numbers)} documents are right; the fit needs right and "
            "wrong answers about at least two documents: ask more questions"
        )
    fold = np.array([numbers[group] % min(FOLDS, len(numbers)) for group in groups])
    unseen = np.zeros(len(y))
    for part in set(fold.tolist()):
        unseen[fold == part] = _predict(_fit(x[fold != part], y[fold != part]), x[fold == part])
    bias, *weights = (round(float(weight), 4) for weight in _fit(x, y))
    return LogisticFit(bias, tuple(weights), unseen)


def threshold_below(probabilities: np.ndarray, share: float) -> float:
    """Return the largest threshold, in thousandths, that has at most a share of the probabilities below it."""
    return float(np.floor(np.sort(probabilities)[int(share * len(probabilities))] * 1000) / 1000)


def auroc(scores: Sequence[float], is_right: Sequence[bool]) -> float:
    """Compute the probability that a right answer has a higher score than a wrong one; ties count half."""
    right = np.array([s for s, r in zip(scores, is_right, strict=True) if r])[:, None]
    wrong = np.array([s for s, r in zip(scores, is_right, strict=True) if not r])[None, :]
    return float(((right > wrong) + 0.5 * (right == wrong)).mean())


def _fit(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Logistic regression by Newton's method; returns weights `[1 + signals]`, an unregularized bias first."""
    design = np.hstack([np.ones((len(x), 1)), x])
    ridge = np.diag([0.0, *([RIDGE] * x.shape[1])])
    weights = np.zeros(design.shape[1])
    for _ in range(NEWTON_STEPS):
        p = _sigmoid(design @ weights)
        curvature = design.T @ (design * (p * (1 - p))[:, None]) + ridge + 1e-6 * np.eye(len(weights))
        weights = weights - np.linalg.solve(curvature, design.T @ (p - y) + ridge @ weights)
    return weights


def _predict(weights: np.ndarray, x: np.ndarray) -> np.ndarray:
    return _sigmoid(weights[0] + x @ weights[1:])


def _sigmoid(odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(odds, -MAX_ODDS, MAX_ODDS)))
