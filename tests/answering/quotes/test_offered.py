"""Tests of questions that name their possible answers."""

import pytest
from answering.quotes.reading import evidence, quote

from lorify.answering.quotes.offered import choices_of

POOL = (
    "Water gymnastics takes place on Tuesdays and aqua cycling on Thursdays. "
    "The children swim in the pool, never in the lake. The footbridge was made of timber. "
    "Fares: adults pay six euros. Depth is given in metres."
)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Is aqua cycling on Tuesday or on Thursday?", "on Thursday"),
        ("Do the children swim in the lake or in the pool?", "in the pool"),
        ("Was the footbridge made of stone or of timber?", "of timber"),
        ("We need the depth. Is it given in feet or metres?", "metres"),
    ],
)
def test_the_choice_that_the_document_names_there_is_the_answer(question, answer):
    assert quote(question, evidence(POOL)) == answer


@pytest.mark.parametrize(
    "question",
    [
        "Who swims?",
        "Is it open or not?",
        "What do I do on Mondays, Tuesdays or Fridays or Sundays?",
        "or",
        "Tea or coffee?",
        "",
    ],
)
def test_other_questions_offer_no_choices(question):
    assert choices_of(question) is None


def test_without_either_choice_in_the_document_the_base_answers():
    assert quote("Is the sauna hot or cold?", evidence(POOL)) is None


def test_an_acronym_is_a_choice():
    assert choices_of("Does she work in IT or in law?") == ("in IT", "in law")
