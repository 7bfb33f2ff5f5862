import itertools
import re
import string
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from lorify.data.answers import normalize_answer
from lorify.evaluation.scoring.metrics import (
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


def official_f1(prediction: str, answer: str, version: str) -> float:
    """`f1_score` of evaluate-v1.1.py or `compute_f1` of evaluate-v2.0.py, worked through step by step."""
    words = []
    for text in (prediction, answer):
        text = "".join(character for character in text.lower() if character not in string.punctuation)
        words.append(re.sub(r"\b(a|an|the)\b", " ", text).split())
    common = sum((Counter(words[0]) & Counter(words[1])).values())
    if version == "2.0" and not all(words):
        return float(words[0] == words[1])
    if common == 0:
        return 0.0
    precision, recall = common / len(words[0]), common / len(words[1])
    return 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize("prediction", ["", "the", "...", " An. "])
@pytest.mark.parametrize("answer", ["", "a", "?!"])
def test_where_nothing_is_left_of_both_it_is_version_2_that_is_followed(prediction, answer):
    assert official_f1(prediction, answer, "2.0") == 1 and official_f1(prediction, answer, "1.1") == 0
    assert token_f1(prediction, [answer]) == exact_match(prediction, [answer]) == 1
    assert token_f1(prediction, ["mill"]) == token_f1("mill", [answer]) == exact_match("mill", [answer]) == 0


@settings(deadline=None)
@given(words | st.text(max_size=30), st.lists(words | st.text(max_size=30), min_size=1, max_size=4))
def test_f1_is_the_official_scripts_best_over_the_answers(prediction, answers):
    official = max(official_f1(prediction, answer, "2.0") for answer in answers)
    assert token_f1(prediction, answers) == pytest.approx(official)


def test_the_best_of_several_answers_counts_wherever_it_stands():
    answers = ["by boat", "at nine in the morning", "nine"]
    for order in itertools.permutations(answers):
        assert token_f1("at nine", order) == pytest.approx(2 / 3)  # 2 of 4 words, 2 of 2; and 1 of 1, 1 of 2
        assert exact_match("Nine!", order) == 1 and exact_match("ten", order) == 0
        assert rouge_l("at nine", order).f1 == pytest.approx(2 / 3)


def test_normalization_is_that_of_squad():
    assert normalize_answer("The  Quick, brown fox!") == "quick brown fox"
    assert normalize_answer("Ana and the anthem") == "ana and anthem"
    assert normalize_answer("A mill, an owl\nand\tTHE boat") == "mill owl and boat"
    assert normalize_answer("the-mill") == "themill"  # punctuation goes first, so this is no article any more
    assert (
        normalize_answer("l\u2019an \u2013 dix") == "l\u2019 \u2013 dix"
    )  # only ASCII punctuation goes, and articles next to it


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
    assert rouge_l("the gunman police killed", ["police killed the gunman"]).f1 == 0.5


@pytest.mark.parametrize(
    ("prediction", "answers", "f1", "recall"),
    [
        ("testing", ["testing one two"], 0.5, 1 / 3),
        ("testing one two", ["testing"], 0.5, 1.0),
        ("text first", ["first text", "first something"], 0.5, 0.5),  # one word in order
        ("w1 w2 w6 w7 w8 w1 w3 w8 w9 w5", ["w1 w2 w3 w4 w5"], 8 / 15, 0.8),
        ("A-b, C!", ["a b c"], 1.0, 1.0),  # words are runs of ASCII letters and digits
        ("mills", ["mill"], 0.0, 0.0),  # no stemming
        ("", ["mill"], 0.0, 0.0),
        ("mill", [""], 0.0, 0.0),
    ],
)
def test_the_cases_of_the_rouge_package(prediction, answers, f1, recall):
    score = rouge_l(prediction, answers)
    assert (score.f1, score.recall) == (pytest.approx(f1), pytest.approx(recall))


def test_bootstrap_interval_holds_the_mean_and_is_reproducible():
    values = [0.0] * 40 + [1.0] * 60
    low, high = bootstrap_interval(values)
    assert low < 0.6 < high
    assert (low, high) == bootstrap_interval(values)


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
