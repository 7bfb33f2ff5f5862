import pytest

from lorify.answering.calibration.stated import StatedSignals
from lorify.errors import EvaluationError
from lorify.evaluation.scoring.stated import LOST_SHARE, CheckedAnswer, fit_stated


def checked(number: int, kind: str, located: float, *, is_right: bool) -> CheckedAnswer:
    signals = StatedSignals(0.0, located, 1.0, 0.0)
    return CheckedAnswer(f"document {number}", kind, is_right, signals)


ANSWERS = [
    answer
    for number in range(20)
    for answer in (
        checked(number, "given", 3.0 + number % 3, is_right=True),
        checked(number, "swapped", -3.0 - number % 3, is_right=False),
        checked(number, "given", -2.0, is_right=False),  # wrong, so it says nothing about what is stated
        CheckedAnswer(f"document {number}", "deleted", is_right=False, signals=None),
    )
]


def test_the_threshold_withholds_what_is_not_stated_and_loses_few_right_answers():
    model, rows = fit_stated(ANSWERS, "d1")
    by_kind = {row["questions"]: row for row in rows}
    assert by_kind["right answers"]["withheld"] <= LOST_SHARE and by_kind["swapped"]["withheld"] == 1.0
    assert by_kind["deleted"]["left_to_base"] == 20 and by_kind["deleted"]["withheld"] is None
    assert model.auroc == 1.0 and model.questions == 40
    located = [StatedSignals(0.0, x, 1.0, 0.0) for x in (4.0, -4.0)]
    assert model.probability(located[0]) > model.threshold > model.probability(located[1])


def test_without_right_answers_there_is_nothing_to_fit():
    with pytest.raises(EvaluationError, match="use a suite with both"):
        fit_stated([answer for answer in ANSWERS if not answer.is_right], "d1")
