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
    "Which bus stops at the mill?",
    "Which box costs more?",
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


HANDBOOK = """# Camping trip

We leave on 3 May.

## What to bring

- a sleeping bag
- **two pairs** of socks
* lunch, for Friday

## Putting up a tent

1. Find a flat spot.
2. Unfold the floor.
   Keep it dry.
3. Raise the poles.

## Rooms

Room: Elm; Beds: 4; Heated: yes.
Room: Oak; Beds: 6; Heated: no.
Room: Fir; Beds: 2; Heated: yes.

Guides: Mara Fenn (lead), Jon Hale, Ada Moss

Set `MODE_OF_USE` to `slow_mode`, `fast_mode` or `off`."""


@pytest.mark.parametrize(
    ("question", "items"),
    [
        ("What do I need to bring?", "a sleeping bag; two pairs of socks; lunch, for Friday"),
        ("List all steps for putting up the tent", "Find a flat spot, Unfold the floor and Raise the poles"),
        ("Which rooms are there?", "Elm, Oak and Fir"),
        ("Which rooms are heated?", "Elm and Fir"),
        ("Which rooms are not heated?", "Oak"),
    ],
)
def test_bullets_steps_and_columns_are_found_by_their_titles(question, items):
    assert quote(question, evidence(HANDBOOK)) == items


def test_a_line_with_a_label_is_a_list_and_identifiers_stay_as_they_are():
    assert quote("Who are the guides?", evidence(HANDBOOK, "Mara Fenn")) == "Mara Fenn, Jon Hale and Ada Moss"
    found = quote("Which modes are there?", evidence(HANDBOOK, "slow_mode"))
    assert found is not None and "slow_mode" in found and "`" not in found


def test_a_list_about_something_else_is_not_given():
    assert (
        quote("Which languages do the guides speak?", evidence("- apples\n- pears\n\nThe guides know a lot.")) is None
    )


TASKS = "# Minutes\n\nTasks\n- Ada: order the oats (3 May)\n- Bo: mend the roof (9 May)\n- Cy: call the bank (2 June)\n"
CLAUSES = """1. The tenant airs the cellar every Tuesday and Friday after the market has closed.
2. The tenant pays 900 euros a month, which are due on the third working day of it.
3. The tenant insures the house and is liable for damage up to fifty thousand euros.
"""


def test_of_fields_the_one_that_the_question_names_is_given():
    assert quote("What are the tasks?", evidence(TASKS, "Ada")) == (
        "Ada: order the oats (3 May), Bo: mend the roof (9 May) and Cy: call the bank (2 June)"
    )
    assert quote("What are the tasks of Bo?", evidence(TASKS, "Bo")) == "mend the roof (9 May)"


def test_numbered_paragraphs_are_no_answer_because_one_of_them_has_it():
    assert quote("On which days is the cellar aired?", evidence(CLAUSES, "Tuesday")) is None
