import pytest

from lorify.data.answers import LEFT_OUT
from lorify.evaluation.scoring.json_values import field_text
from lorify.evaluation.scoring.metrics import score_answer


@pytest.mark.parametrize(
    ("prediction", "text"),
    [
        ('{"total": 12.5, "paid": true}', "12.5"),
        ('{"total": null}', "null"),
        ('{"total": ["Zoë", "b"]}', '["Zoë", "b"]'),
        ('{"paid": true}', LEFT_OUT),
        ('{"total": "left out"}', '"left out"'),
        ('{"total": 12', ""),  # cut off
        ("The total is 12.5.", ""),
        ("[12.5]", ""),
        ("", ""),
    ],
)
def test_a_field_is_read_from_an_answer_that_is_a_json_object(prediction, text):
    assert field_text(prediction, "total") == text


@pytest.mark.parametrize(
    ("prediction", "answer", "score"),
    [
        ("1200", "1200", 1.0),
        ("1200.0", "1200", 1.0),
        ('"1200"', "1200", 0.0),
        ("12000", "1200", 0.0),
        ("1", "true", 0.0),
        ("true", "1", 0.0),
        ("false", "false", 1.0),
        ("null", "null", 1.0),
        ('"null"', "null", 0.0),
        (LEFT_OUT, LEFT_OUT, 1.0),
        ("null", LEFT_OUT, 0.0),
        (LEFT_OUT, "null", 0.0),
        ('"left out"', LEFT_OUT, 0.0),
        ('"2026-03-14"', '"2026-03-14"', 1.0),
        ('"20260314"', '"2026-03-14"', 0.0),
        ("", LEFT_OUT, 0.0),
        ("", "null", 0.0),
    ],
)
def test_values_are_equal_if_their_types_are(prediction, answer, score):
    assert score_answer("json_value", prediction, [answer]) == score


@pytest.mark.parametrize(
    ("prediction", "score"),
    [
        ('"Blue Heron"', 1.0),
        ('"the blue heron."', 1.0),
        ('"Blue Herons"', 0.0),
        ('"the restaurant Blue Heron"', 0.0),
        ('["Blue Heron"]', 0.0),
        (LEFT_OUT, 0.0),
    ],
)
def test_texts_are_compared_without_case_punctuation_and_articles(prediction, score):
    assert score_answer("json_words", prediction, ['"Heron"', '"The Blue Heron"']) == score


@pytest.mark.parametrize(
    ("prediction", "score"),
    [
        ('["rolls", "Rye bread"]', 1.0),
        ('["the rye bread", "rolls"]', 1.0),
        ('["rye bread"]', 0.0),
        ('["rye bread", "rolls", "rolls"]', 0.0),
        ('["rye bread and rolls"]', 0.0),
        ('"rye bread, rolls"', 0.0),
    ],
)
def test_lists_have_the_same_items_in_any_order(prediction, score):
    assert score_answer("json_words", prediction, ['["rye bread", "rolls"]']) == score
