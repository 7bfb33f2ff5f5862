import random
from pathlib import Path

import pytest

from lorify.data.cloze.statements import find_cloze_candidates, find_cloze_statements, matches_answer
from lorify.data.facts.generate import generate_fact_example


@pytest.mark.parametrize(
    ("sentence", "question", "answer"),
    [
        ("Tuuli Pettersen works for Kapoor Partners.", "Tuuli Pettersen works for what?", "Kapoor Partners"),
        ("The tower is 48 metres high.", "The tower is what high?", "48 metres"),
        (
            "The deadline of Project Elm is 27 September 2020.",
            "The deadline of Project Elm is what?",
            "27 September 2020",
        ),
        ("The record of the peak is -18 °C.", "The record of the peak is what?", "-18 °C"),
        ("* The Ebos Policy provides for a fine of €531.", "The Ebos Policy provides for a fine of what?", "€531"),
        ("1. The firm belongs to Styr & Vieira.", "The firm belongs to what?", "Styr & Vieira"),
        ("The wing was designed by Dr. Niels Prywick.", "The wing was designed by what?", "Dr. Niels Prywick"),
        ("All times of the museum are local.", "All times of the museum are what?", "local"),
    ],
)
def test_a_sentence_becomes_a_question_about_one_of_its_words(sentence, question, answer):
    (statement,) = find_cloze_statements(sentence)
    assert (statement.question, statement.answer) == (question, answer)


@pytest.mark.parametrize(
    "text", ["", "Notes", "He lives in Rulbeckstad.", "Is the tower 48 metres high?", "-----", "So it goes on and on."]
)
def test_what_states_nothing_alone_is_left_out(text):
    assert find_cloze_statements(text) == []


def test_lines_broken_by_width_are_one_sentence_and_repetitions_one_statement():
    text = "The museum of the town of Velmora, which lies by the sea, has counted\n231,000 visitors.\n\n"
    (statement,) = find_cloze_statements(text * 2)
    assert statement.answer == "231,000 visitors"


def test_every_date_quantity_and_name_can_be_asked_for():
    text = "Ada Lund founded the mill in 1892. It lies on Mill Lane and has 14 windows. Is it old? So it goes."
    assert [(gap.question, gap.answer) for gap in find_cloze_candidates(text)] == [
        ("Ada Lund founded the mill in what?", "1892"),
        ("It lies on what and has 14 windows?", "Mill Lane"),
        ("It lies on Mill Lane and has what?", "14 windows"),
    ]


def test_the_answer_is_in_the_sentence_and_not_in_the_question():
    demo = (Path(__file__).parents[3] / "demo" / "harbour-museum.md").read_text(encoding="utf-8")
    texts = [demo, *(generate_fact_example(random.Random(i)).documents[0] for i in range(20))]
    found = [statement for text in texts for statement in find_cloze_statements(text)]
    assert len(found) > 100
    for statement in found:
        assert statement.answer in statement.sentence
        rebuilt = statement.question.removesuffix("?").replace("what", statement.answer, 1)
        assert rebuilt in statement.sentence or "what" in statement.sentence


@pytest.mark.parametrize(
    ("text", "answer", "matches"),
    [
        ("About 120 volunteers.", "120 volunteers", True),
        ("120", "120 volunteers", True),
        ("120 people", "120 volunteers", False),
        ("12", "120 volunteers", False),
        ("27", "27 September 2020", False),
        ("Arkwright", "Tomas Arkwright", False),
    ],
)
def test_a_number_with_a_unit_may_be_answered_by_the_number_alone(text: str, answer: str, matches: bool):
    assert matches_answer(text, answer) == matches
