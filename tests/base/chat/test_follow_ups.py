import pytest

from lorify.base.chat.follow_ups import earlier_questions, refers_back


@pytest.mark.parametrize("question", ["And when?", "Who was that?", "When did she join it?", "How much?"])
def test_a_follow_up_refers_back(question):
    assert refers_back(question)


def test_the_questions_before_a_follow_up_are_found():
    assert earlier_questions("Who built the mill?\nAnd when?\nFor whom?") == [
        "Who built the mill?",
        "Who built the mill?\nAnd when?",
    ]


@pytest.mark.parametrize("question", ["When was the mill built?", "Which is right?\nA) nine\nB) ten", ""])
def test_a_question_that_stands_alone_has_none(question):
    assert earlier_questions(question) == []
