import pytest

from lorify.evaluation.scoring.metrics import score_answer, token_f1
from lorify.evaluation.scoring.published import WordOverlap, answer_words, word_overlap


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The U.S. Army", ["u", "s", "army"]),  # SQuAD's form has "us"
        ("ice\u2014cream, \u201cnow\u201d", ["ice", "cream", "now"]),
        ("don\u2019t\u200b stop\u2026", ["don", "t", "stop"]),
        ("1,200 an hour", ["1", "200", "hour"]),
        ("a\\b", ["\\b"]),  # the published pattern reads the backslash as an escape; "a" is an article
        ("theatre of the absurd", ["theatre", "of", "absurd"]),
        (" \n", []),
    ],
)
def test_punctuation_separates_words(text, words):
    assert answer_words(text) == words


def test_scores_by_hand():
    # Three of the four words are among the five expected: precision 3/4, recall 3/5, F1 2 * 0.45 / 1.35.
    overlap = word_overlap("red big boat house", ["red boat and one house"])
    assert (overlap.precision, overlap.recall, overlap.f1) == pytest.approx((0.75, 0.6, 2 / 3))
    assert word_overlap("boat", ["mill", "red boat"]) == WordOverlap(pytest.approx(2 / 3), 1.0, 0.5)
    # Repeated words count as often as they are expected.
    assert word_overlap("boat boat", ["boat"]).precision == 0.5


def test_without_words_the_score_is_zero_unlike_in_squad():
    assert word_overlap("the", ["a"]) == WordOverlap() == word_overlap("", ["x"])
    assert token_f1("the", ["a"]) == 1
    assert score_answer("qa_f1", "U.S.", ["U. S."]) == 1 and score_answer("f1", "U.S.", ["U. S."]) == 0


def test_rouge_is_stemmed_where_published():
    assert score_answer("rouge_l_stemmed", "boats sailing", ["boat sails"]) == 1
    assert score_answer("rouge_l", "boats sailing", ["boat sails"]) == 0
