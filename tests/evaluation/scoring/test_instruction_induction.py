import pytest

from lorify.evaluation.scoring.metrics import score_answer


@pytest.mark.parametrize(
    ("metric", "prediction", "answers", "score"),
    [
        ("induction_exact", "Unfortunate.", ["unfortunate"], 1.0),
        ("induction_exact", "twenty-one and three", ["twenty one three"], 1.0),
        ("induction_exact", "cold\nbecause it is", ["cold"], 1.0),
        ("induction_exact", "it is cold", ["cold"], 0.0),
        ("induction_exact", "Ort", ["Platz", "Ort"], 1.0),
        ("induction_f1", "involve going up", ["involve moving up."], 2 / 3),
        ("induction_f1", "", ["involve moving up."], 0.0),
        ("induction_set", "parrot, snake and fly", ["fly, parrot, snake"], 1.0),
        ("induction_set", "parrot, snake", ["fly, parrot, snake"], 0.0),
        ("induction_contains", "a process of steps", ["process"], 1.0),
        ("induction_contains", "processes", ["process"], 0.0),
    ],
)
def test_answers_are_scored_as_published(metric, prediction, answers, score):
    assert score_answer(metric, prediction, answers) == pytest.approx(score)
