"""Yes or no from the sentence that answers a question."""

import pytest

from lorify.answering.quotes.verdicts import find_verdict


@pytest.mark.parametrize(
    ("text", "words", "verdict"),
    [
        ("Dogs may come. Cats may not.", "Dogs", "Yes"),
        ("Dogs may come. Cats may not.", "Cats", "No"),
        ("It isn't heated. It has a roof", "roof", "Yes"),
        ("It isn't heated. It has a roof", "heated", "No"),
        ("Note: the hall is warm\nGuests: none", "none", "No"),
        ("Note: the hall is warm\nNever rent it.", "hall", "Yes"),
        ("It costs 3.50 and is not sold.", "3", "No"),  # a full stop within a number ends no sentence
        ("Notable guests know it.", "guests", "Yes"),
    ],
)
def test_a_negation_in_the_sentence_of_the_words_means_no(text, words, verdict):
    begin = text.index(words)
    assert find_verdict(text, begin, begin + len(words)) == verdict
