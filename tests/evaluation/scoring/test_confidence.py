import random

import pytest

from lorify.errors import EvaluationError
from lorify.evaluation.scoring.confidence import auroc, fit_confidence


def drawn(num_answers=200, seed=0):
    """Answers whose first signal tells right from wrong, mostly; the others are noise."""
    rng = random.Random(seed)
    is_right = [rng.random() < 0.5 for _ in range(num_answers)]
    signals = [(rng.gauss(1.5 * right, 1), *(rng.gauss(0, 1) for _ in range(6))) for right in is_right]
    return signals, is_right, [i // 5 for i in range(num_answers)]


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    assert auroc([0.9, 0.8, 0.1], [True, True, False]) == 1.0
    assert auroc([0.1, 0.9], [True, False]) == 0.0
    assert auroc([0.5, 0.5], [True, False]) == 0.5
    assert auroc([0.9, 0.2, 0.5, 0.1], [True, True, False, False]) == 0.75


def test_a_signal_that_tells_is_found_and_its_probabilities_are_calibrated():
    signals, is_right, groups = drawn(1000)
    fitted = fit_confidence(signals, is_right, groups, "d")
    assert fitted.weights[0] > 1 > 0.3 > max(map(abs, fitted.weights[1:]))
    assert 0.8 < fitted.auroc < 0.92  # two normal distributions 1.5 apart: 0.856
    probabilities = [fitted.probability(s) for s in signals]
    confident = [r for p, r in zip(probabilities, is_right, strict=True) if 0.7 < p < 0.9]
    assert 0.7 < sum(confident) / len(confident) < 0.9
    warned = [fitted.is_doubtful(p) for p in probabilities]
    false_warnings = sum(w for w, right in zip(warned, is_right, strict=True) if right) / sum(is_right)
    assert 0.03 < false_warnings < 0.07 and sum(warned) / len(warned) > 0.2


def test_noise_tells_nothing_about_unseen_documents():
    signals, _, groups = drawn()
    is_right = [random.Random(i).random() < 0.5 for i in range(len(signals))]
    assert 0.35 < fit_confidence(signals, is_right, groups, "d").auroc < 0.65


def test_there_have_to_be_right_and_wrong_answers_about_several_documents():
    signals, is_right, groups = drawn()
    with pytest.raises(EvaluationError, match="200 of 200 answers"):
        fit_confidence(signals, [True] * 200, groups, "d")
    with pytest.raises(EvaluationError, match="about 1 documents"):
        fit_confidence(signals, is_right, [0] * 200, "d")
