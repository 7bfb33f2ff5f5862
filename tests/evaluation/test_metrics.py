import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from lorify.data.answers import normalize_answer
from lorify.evaluation.metrics import (
    bootstrap_interval,
    exact_match,
    length_bin,
    paired_test,
    rouge_l,
    score_answer,
    token_f1,
)

words = st.lists(st.sampled_from("the a mill opens at nine every day red boat".split()), max_size=8).map(" ".join)


# Expected values worked out from the official script's formula: lower case, without punctuation and articles, then
# equality, or the harmonic mean of precision and recall of the words, the best of all answers.
@pytest.mark.parametrize(
    ("prediction", "answers", "exact", "f1"),
    [
        ("Denver Broncos", ["Denver Broncos", "Broncos"], 1, 1),
        ("The Denver Broncos.", ["denver broncos"], 1, 1),
        ("the Broncos of Denver", ["Denver Broncos"], 0, 0.8),  # 2 of 3 words, 2 of 2
        ("Santa Clara, California", ["Levi's Stadium", "Santa Clara"], 0, 0.8),
        ("$5 million", ["5 million", "US$5 million"], 1, 1),
        ("U.S.", ["us"], 1, 1),  # punctuation goes before words are told apart
        ("well-known", ["well known"], 0, 0),
        ("an", ["the"], 1, 1),  # both are empty then
        ("a", ["mill"], 0, 0),
        ("mill mill", ["mill"], 0, 2 / 3),  # a word counts as often as it stands there
        ("théâtre", ["theatre"], 0, 0),
    ],
)
def test_the_formula_of_squad(prediction, answers, exact, f1):
    assert exact_match(prediction, answers) == exact
    assert token_f1(prediction, answers) == pytest.approx(f1)


def test_normalization_is_that_of_squad():
    assert normalize_answer("The  Quick, brown fox!") == "quick brown fox"
    assert normalize_answer("Ana and the anthem") == "ana and anthem"


@settings(deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_f1_is_symmetric_within_bounds_and_one_for_exact_matches(a, b):
    score = token_f1(a, [b])
    assert 0 <= score <= 1
    assert score == token_f1(b, [a])
    if exact_match(a, [b]):
        assert score == 1


@settings(deadline=None)  # the package loads its stemmer first
@given(words, words)
def test_rouge_l_is_that_of_the_public_package(prediction, answer):
    public = RougeScorer(["rougeL"]).score(answer, prediction)["rougeL"]
    ours = rouge_l(prediction, [answer])
    assert (ours.f1, ours.recall) == (public.fmeasure, public.recall)


def test_rouge_l_takes_the_best_answer_and_counts_the_longest_common_subsequence():
    # "police kill the gunman" against "police killed the gunman": 3 of 4 words in order (Lin, 2004)
    score = rouge_l("police kill the gunman", ["a dog", "police killed the gunman"])
    assert (score.f1, score.recall) == (0.75, 0.75)
    assert rouge_l("the gunman kill police", ["police killed the gunman"]).f1 == 0.5


def test_bootstrap_interval_holds_the_mean_and_is_reproducible():
    values = [0.0] * 40 + [1.0] * 60
    low, high = bootstrap_interval(values, seed=1)
    assert low < 0.6 < high
    assert (low, high) == bootstrap_interval(values, seed=1)


def test_questions_of_one_document_do_not_count_as_independent():
    values = [1.0] * 50 + [0.0] * 50
    alone = bootstrap_interval(values)
    grouped = bootstrap_interval(values, groups=[i // 25 for i in range(100)])
    assert grouped[1] - grouped[0] > 3 * (alone[1] - alone[0])


def test_a_clear_difference_is_significant_and_none_is_not():
    better = paired_test([0.0] * 20, [1.0] * 20)
    assert better.difference == better.low == better.high == 1.0 and better.p_value < 0.001
    same = paired_test([0.0, 1.0] * 10, [1.0, 0.0] * 10)
    assert same.difference == 0.0 and same.p_value > 0.9
    # Twenty questions, but only two documents: four sign patterns, of which two are as far out.
    two = paired_test([0.0] * 20, [1.0] * 20, groups=[0] * 10 + [1] * 10)
    assert 0.4 < two.p_value < 0.6


def test_length_bins_are_powers_of_two():
    assert [length_bin(n) for n in (1, 2, 3, 512, 513)] == [1, 2, 4, 512, 1024]


@pytest.mark.parametrize(
    ("metric", "prediction", "answers", "score"),
    [
        ("exact", " HOT ", ["HOT"], 1.0),
        ("exact", "hot", ["HOT"], 0.0),
        ("exact", "b", ["a", "b"], 1.0),
        ("normalized", "The hot!", ["hot"], 1.0),
        ("number", "so it is 1,250.", ["1250"], 1.0),
        ("number", "3 plus 4 is 7", ["8"], 0.0),
        ("number", "none", ["8"], 0.0),
        ("f1", "a b", ["b c"], 2 / 3),
        ("rouge_l", "one two three", ["one two three"], 1.0),
    ],
)
def test_scores_by_a_tasks_own_metric(metric, prediction, answers, score):
    assert score_answer(metric, prediction, answers) == pytest.approx(score)
