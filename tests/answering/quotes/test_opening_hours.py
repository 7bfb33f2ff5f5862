"""Opening hours by weekday, as documents write them."""

import pytest

from lorify.answering.quotes.opening_hours import asks_for_another_day, find_opening_hours
from lorify.answering.quotes.spans import asks_for_verdict, asks_for_words

LINES = """# Bath of Quell
Monday: closed
Tuesday: 10:00 - 20:00
Wednesday: 10:00 - 20:00
Thursday: 12:00 - 22:00
Friday: 10:00 - 20:00
Saturday: 9:00 - 18:00
Sunday: 9:00 - 17:00

The steam room opens one hour after the bath. On 24 and 31 December the bath is closed.
"""
RANGES = (
    "The mill is open Tuesday to Friday from 9:30 to 18:00 and Saturday 10:00 to 14:00. Closed on Sundays and Mondays."
)
SHORT = "Shop hours\nMon-Thu: 7:30 am - 6 pm\nFri: 7:30 am - 10 pm\nSat: 9 am - 1 pm"
BEHIND = "The library is open from 9:00 to 18:00 Monday through Saturday."
TABLE = "day: Monday; hours: closed.\nday: Tuesday; hours: 9:00-17:00."


def answer(question: str, text: str) -> str | None:
    found = find_opening_hours(question, text)
    assert found is None or found.sentence in " ".join(text.split()), found
    return found and found.text


@pytest.mark.parametrize(
    ("question", "text", "expected"),
    [
        ("Is the bath open on Monday?", LINES, "No"),
        ("Is the bath open on Thursdays?", LINES, "Yes"),
        ("Is it closed on Monday?", LINES, "Yes"),
        ("Are you open at 9 on Tuesdays?", LINES, "No"),
        ("Is it open at 19:00 on Friday?", LINES, "Yes"),
        ("When does it open on Thursday?", LINES, "12:00"),
        ("What time does the bath close on Sunday?", LINES, "17:00"),
        ("When is the bath open on Thursday?", LINES, "12:00 - 22:00"),
        ("When does it close on Monday?", LINES, "closed"),
        ("On which day is the bath closed?", LINES, "Monday"),
        ("Is it open on Tuesday?\nAnd on Monday?", LINES, "No"),
        ("Is the mill open on Wednesdays?", RANGES, "Yes"),
        ("When does it close on Thursday?", RANGES, "18:00"),
        ("When does it open on Saturday?", RANGES, "10:00"),
        ("Is it open on Saturday at 15:00?", RANGES, "No"),
        ("On which days is the mill closed?", RANGES, "Monday and Sunday"),
        ("Are you open on Sunday?", SHORT, "No"),
        ("Are you open at 8 pm on Friday?", SHORT, "Yes"),
        ("Are you open at 8 pm on Thursday?", SHORT, "No"),
        ("Are you open at 3 on Saturday?", SHORT, "No"),
        ("Is the library open on Sunday?", BEHIND, "No"),
        ("Is it open on Monday?", TABLE, "No"),
    ],
)
def test_the_line_of_the_weekday_answers(question, text, expected):
    assert answer(question, text) == expected


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Is the steam room open on Tuesday?", LINES),  # the document says something else about it
        ("Is the post office open on Tuesday?", LINES),  # nor does it name that
        ("Is the bath heated on Monday?", LINES),
        ("Is it open on Monday or on Tuesday?", LINES),
        ("Who opens the bath on Monday?", LINES),
        ("Is it open on Thursday?", TABLE),  # two days say nothing of the others
        ("Is it open on Monday?", "Pool\nMonday: 9:00-17:00\nBar\nMonday: 17:00-23:00"),
        ("Is it open on Monday?", "The meeting on Monday takes from 9:00 to 10:00."),
        ("", LINES),
    ],
)
def test_other_questions_and_documents_without_such_hours_get_no_answer(question, text):
    assert answer(question, text) is None


@pytest.mark.parametrize(
    ("question", "is_verdict"),
    [("Is it open on Tuesday?\nAnd on Monday?", True), ("When does it close?\nAnd on Sunday?", False)],
)
def test_a_follow_up_about_another_day_asks_in_the_form_of_the_question_before_it(question, is_verdict):
    assert asks_for_another_day(question)
    assert (asks_for_verdict(question), asks_for_words(question)) == (is_verdict, not is_verdict)


@pytest.mark.parametrize("question", ["And on Monday?", "Who is it?\nAnd on Monday?", "Is it open?\nWhy?", ""])
def test_other_follow_ups_ask_for_no_other_day(question):
    assert not asks_for_another_day(question)
