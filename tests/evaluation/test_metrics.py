import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorify.evaluation.metrics import bootstrap_interval, exact_match, normalize_answer, token_f1


def test_normalization_is_that_of_squad():
    assert normalize_answer("The  Quick, brown fox!") == "quick brown fox"
    assert exact_match("an Apple.", ["pear", "apple"]) == 1.0
    assert exact_match("apples", ["apple"]) == 0.0


def test_f1_on_a_case_worked_by_hand():
    # predicted {red, old, mill}, expected {old, mill, pond, bridge}: 2 in common, precision 2/3, recall 1/2
    assert token_f1("the red old mill", ["old mill pond bridge"]) == pytest.approx(4 / 7)
    assert token_f1("nothing", ["else", "nothing at all"]) == pytest.approx(0.5)


@given(st.text(max_size=30), st.text(max_size=30))
def test_f1_is_symmetric_within_bounds_and_one_for_exact_matches(a, b):
    score = token_f1(a, [b])
    assert 0 <= score <= 1
    assert score == token_f1(b, [a])
    if exact_match(a, [b]):
        assert score == 1


def test_bootstrap_interval_holds_the_mean_and_is_reproducible():
    values = [0.0] * 40 + [1.0] * 60
    low, high = bootstrap_interval(values, seed=1)
    assert low < 0.6 < high
    assert (low, high) == bootstrap_interval(values, seed=1)
