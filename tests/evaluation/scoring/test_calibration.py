import pytest

from lorify.answering.answerer import Answer
from lorify.answering.calibration.confidence import ConfidenceSignals
from lorify.errors import EvaluationError
from lorify.evaluation.scoring.calibration import calibrate
from lorify.evaluation.suites.facts import FactsSuite

SUITE = FactsSuite(documents=4, questions=3)


def test_answers_with_their_signals_are_fitted(model, monkeypatch):
    known = [question for case in SUITE.build(model) for question in case.questions]
    right = {question.text: question.answers[0] for question in known[::2]}
    monkeypatch.setattr(
        "lorify.evaluation.scoring.calibration.answer_in_batches",
        lambda _answerer, planned, _options: [
            Answer(right.get(query.question, "nobody knows"), adapter_on=True) for query, _ in planned
        ],
    )
    seen = []
    fitted, rows = calibrate(model, [SUITE], report=lambda *done: seen.append(done))
    assert fitted.questions == len(known) and fitted.hypernetwork_digest == model.internalizer.digest
    assert [row["signal"] for row in rows] == [*ConfidenceSignals._fields, "all, unseen documents"]
    assert {row["right"] for row in rows} == {round(len(right) / len(known), 3)}
    assert all(0 <= row["auroc"] <= 1 for row in rows)
    assert seen == [(1, 4)] * 4


def test_a_model_that_is_never_right_cannot_be_calibrated(model):
    with pytest.raises(EvaluationError, match="0 of 12 answers about 4 documents"):
        calibrate(model, [SUITE])
