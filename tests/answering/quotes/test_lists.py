"""Tests of questions that are answered with an enumeration."""

import pytest
from answering.quotes.reading import evidence, quote

from lorify.answering.quotes.lists import asks_for_list

BAND = "The band has eleven members. It plays drums, two horns, flutes and bells on Sundays. It meets in Torberg."
LISTS = [
    "Which instruments does the band play?",
    "What instruments are played?",
    "List all instruments.",
    "Name the instruments of the band.",
    "What are the instruments of the band?",
]
OTHERS = [
    "What does it cost?",
    "Give me the name of the director.",
    "Which of the horns is broken?",
    "What is the address?",
    "Who conducts the band?",
    "When do they play?",
]


@pytest.mark.parametrize("question", LISTS)
def test_all_items_are_given_where_the_reader_finds_the_answer(question):
    assert asks_for_list(question)
    assert quote(question, evidence(BAND, "horns")) == "drums, two horns, flutes and bells"


@pytest.mark.parametrize("question", OTHERS)
def test_other_questions_do_not_ask_for_lists(question):
    assert not asks_for_list(question)


def test_without_a_located_enumeration_the_base_answers():
    assert quote(LISTS[0], evidence(BAND, "eleven")) is None
    assert quote(LISTS[0], evidence(BAND)) is None
    assert quote(LISTS[0], evidence("They play horns and flutes.", "horns")) is None
