"""Words that are quoted are cut neither within a word, an address or a number nor spill over into the next field."""

import pytest

from lorify.answering.quotes.whole_words import whole_words

UNITS = [
    "help@brolax.example",
    "first.last+news@mail.example.org",
    "https://lorify.example/docs/a_b-c?page=2&x=%20y#top",
    "www.lorify.example",
    "report_2026-03.final.tar.gz",
    "src/lorify/cli.py",
    "v2.10.3",
    "3.14",
    "1,150.50",
    "7:30",
    "7:30 pm",
    "7 a.m.",
    "1,150 euros",
    "49 €",
    "€49.90",
    "3 million dollars",
    "12.5%",
    "EUR 20",
    "2021-10-15",
    "OW-7731",
    "K300-M",
    "+44 20 5550 1234",
    "O'Brien",
    "Wi-Fi",
]


def quoted(text: str, words: str, question: str = "What is it?") -> str:
    begin = text.index(words)
    first, last = whole_words(text, begin, begin + len(words), question)
    return text[first:last]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("frame", ["It is {} there.", "It is {}.", "They say ({}), or so.", "It is\n{}\nnow"])
def test_any_part_of_a_unit_becomes_the_whole(unit, frame):
    text = frame.format(unit)
    start, stop = text.index(unit), text.index(unit) + len(unit)
    for begin in range(start, stop):
        for end in range(begin + 1, stop + 1):
            if text[begin:end].strip() and any(character.isalnum() for character in text[begin:end]):
                first, last = whole_words(text, begin, end, "What is it?")
                assert text[first:last] == unit


@pytest.mark.parametrize("words", ["Ada Holm", "three years", "14 b", "20 April", "the mill", "Dunmore", "9", "eggs"])
def test_whole_words_stay_as_they_are(words):
    text = f"It says {words}'s, {words}; {words}."
    for begin in (text.index(words), text.rindex(words)):
        assert whole_words(text, begin, begin + len(words), "What is it?") == (begin, begin + len(words))


def test_a_minus_belongs_to_its_number_and_a_bullet_does_not():
    assert quoted("It is -5.5 degrees.", "5 degrees") == "-5.5 degrees"
    assert quoted("Bring:\n-5 eggs", "5 eggs") == "5 eggs"


def test_one_end_of_a_range_of_numbers_is_an_answer():
    assert quoted("It is open 9-17.", "9") == "9"


@pytest.mark.parametrize(
    ("question", "words", "answer"),
    [
        ("When is it?", "Thursday to Monday", "from Thursday to Monday"),
        ("To which day was it moved?", "Thursday to Monday", "Monday"),
        ("Which day was it moved to?", "Thursday to Monday", "Monday"),
        ("To which day was it moved?", "Monday", "Monday"),
    ],
)
def test_a_range_has_its_beginning_unless_its_end_is_asked_for(question, words, answer):
    assert quoted("It was moved from Thursday to Monday, 20 April.", words, question) == answer


def test_a_pair_has_its_between():
    assert quoted("It sails between Sallow Point and Eastmere.", "Sallow Point and Eastmere").startswith("between")


def test_a_bracket_that_the_words_open_is_closed():
    assert quoted("Ada Holm (the chair) spoke.", "Ada Holm (the chair") == "Ada Holm (the chair)"
    assert quoted("From: Ada <ada@mill.example>\nTo: B", "Ada <ada") == "Ada <ada@mill.example>"


STAFF = "name: Bodo Lindgren; room: 3.02; phone: 5512.\nname: Dev Rao; room: 1.08; phone: 5534."


def test_words_of_a_table_stay_in_one_cell():
    assert quoted(STAFF, "Bodo Lindgren; room: 3.02", "Who is there?") == "Bodo Lindgren"
    assert quoted(STAFF, "1.08; phone: 5534", "Which room?") == "1.08"
    assert quoted(STAFF, "name: Dev Rao; room", "What is the name?") == "Dev Rao"
    assert quoted("We sell red; blue: none.", "red; blue") == "red; blue", "a semicolon of prose"


def test_words_stay_in_one_line_of_a_header_and_in_one_section():
    mail = "From: Ada Holm\nTo: Bert Ost\n\nHi Bert,\nsee you."
    assert quoted(mail, "Ada Holm\nTo: Bert Ost") == "Ada Holm"
    assert quoted(mail, "Bert Ost\n\nHi Bert") == "Bert Ost"
    assert quoted("Keep it.\n## Next\nMore", "Keep it.\n## Next") == "Keep it."
    assert quoted("They leave on\n20 April.", "on\n20 April") == "on\n20 April"


def test_a_label_is_left_out_if_the_question_has_it():
    text = "- E-mail: help@brolax.example"
    assert quoted(text, "E-mail: help@brolax", "What is the e-mail address?") == "help@brolax.example"
    assert quoted("Lorify: the manual", "Lorify: the manual", "What is the title?") == "Lorify: the manual"


@pytest.mark.parametrize(
    ("text", "words", "question", "whole"),
    [
        ("It is every Tuesday and Friday at six.", "Tuesday", "On which days is it?", "Tuesday and Friday"),
        ("It is every Tuesday and Friday at six.", "Tuesday", "On which day is it first?", "Tuesday"),
        ("Made by Sauber & Hell in Linz.", "Sauber", "Who made it?", "Sauber & Hell"),
    ],
)
def test_days_and_names_that_are_joined_belong_together(text, words, question, whole):
    assert quoted(text, words, question) == whole
