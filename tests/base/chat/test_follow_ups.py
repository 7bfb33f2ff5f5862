import pytest

from lorify.base.chat.follow_ups import earlier_questions, may_refer_back, refers_back


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


@pytest.mark.parametrize(
    "question", ["Who was missing?", "Who won?", "Why not sooner?", "What was decided?", "What happened?"]
)
def test_a_few_words_without_a_name_may_refer_back(question):
    assert may_refer_back(question)


@pytest.mark.parametrize(
    "question",
    ["Who was Ada Berg?", "Where is Paris?", "What is photosynthesis?", "How do magnets work?", "When did Rome fall?"],
)
def test_a_few_words_that_say_what_they_are_about_stand_alone(question):
    assert not may_refer_back(question)
