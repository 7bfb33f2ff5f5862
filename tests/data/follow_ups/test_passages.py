"""Tests of turning questions about a passage into the last ones of chats."""

import random

import pytest

from lorify.data.examples import Example, Question
from lorify.data.follow_ups.passages import follow_up, with_chats

TEXT = "Jasper Dunmore built the Corrin mill in 1811. He was born in Lowick, and he died there."
BUILT = ("Who built the Corrin mill?", "Jasper Dunmore")
QUESTIONS = (
    Question(BUILT[0], (BUILT[1],)),
    Question("When was the Corrin mill built?", ("1811",)),
    Question("Where was Jasper Dunmore born?", ("Lowick", "in Lowick")),
)
EXAMPLE = Example((TEXT,), QUESTIONS, "mills")


def written(question: str, last: tuple[str, str], text: str = TEXT) -> set[str]:
    """What a question becomes, in small letters and without its last mark, for many seeds."""
    found = (follow_up(random.Random(seed), question, last, text) for seed in range(60))
    return {each.lower().removesuffix("?") for each in found if each is not None}


def test_a_name_of_the_turn_before_becomes_a_pronoun():
    found = written("Where was Jasper Dunmore born?", BUILT)
    assert found == {"where was he born", "and where was he born"}
    assert written("What is Jasper Dunmore's birthplace?", BUILT) >= {"what is his birthplace"}
    assert written("How tall is the Corrin mill?", ("When was the Corrin mill built?", "1811")) >= {"how tall is it"}


def test_a_question_in_the_words_of_the_one_before_becomes_its_question_word():
    assert written("When was the Corrin mill built?", BUILT) >= {"when", "and when"}


def test_a_question_that_differs_in_a_few_words_becomes_those():
    last = ("When is the mill open on Mondays?", "from nine")
    found = written("When is the mill open on public holidays?", last)
    assert found == {"and public holidays", "what about public holidays", "and what about public holidays"}


def test_what_belongs_to_a_thing_keeps_its_words():
    found = written("How old is the owner of the Corrin mill?", ("Who is the owner of the Corrin mill?", "Ada Berg"))
    assert not {each for each in found if "it of" in each}


def test_questions_with_nothing_in_common_are_no_chat():
    assert not written(*BUILT[:1], BUILT)
    assert not written("When does the ferry leave?", BUILT)


@pytest.mark.parametrize("seed", range(20))
def test_chats_ask_for_the_same_answers_after_other_questions_of_the_passage(seed):
    asked = with_chats(random.Random(seed), EXAMPLE)
    assert asked == with_chats(random.Random(seed), EXAMPLE)
    by_answers = {question.answers: question.text for question in QUESTIONS}
    turns = {(question.text, question.answers[0]) for question in QUESTIONS}
    assert asked and {question.text for question in asked} - {question.text for question in QUESTIONS}
    for each in asked:
        own = by_answers[each.answers]
        assert 1 <= len(each.turns) <= 2
        assert set(each.turns) <= turns and own not in [question for question, _ in each.turns]
