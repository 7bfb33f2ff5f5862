import pytest

from lorify.data.self_generated.pipeline import request_short_answers
from lorify.data.self_generated.prompts import PROMPTS, PublishedPrompts


def test_the_published_prompts_by_hand():
    prompts = PublishedPrompts()
    (message,) = prompts.teacher_messages("Who keeps bees?", "A mill.")
    assert message["role"] == "user"
    assert message["content"].startswith(
        "You are an honest and helpful assistant.\n\n\n# Provided Information\nA mill.\n\n---\n\n# System Instruction\n"
    )
    assert message["content"].endswith("\n---\n\n# User Input\nWho keeps bees?")
    assert len(prompts.short_answers) == len(set(prompts.short_answers)) == 22
    assert all(request.count("{question}") == 1 for request in prompts.short_answers)
    assert "Answer without any explanation.\n\nQuestion: {question}" in prompts.short_answers


def test_the_published_writer_sees_its_earlier_questions_with_their_answers():
    prompts = PublishedPrompts()
    text = "Question 1: Who keeps bees?\nAnswer 1: Ada\nkeeps them.\nQuestion 2: When?\nAnswer 2: \nQuestion 3: Where?"
    assert prompts.parse_questions("A mill.", text) == ["Who keeps bees?"]
    system, request = prompts.writer_messages("A mill.", ["Who keeps bees?"], 5)
    assert system["role"] == "system" and "reading comprehension tests" in system["content"]
    assert "Question 1: Who keeps bees?\nAnswer 1: Ada\nkeeps them.\n" in request["content"]
    assert "Respond with 5 question-answer pairs." in request["content"]
    assert "Example Question-Answer Pairs" not in prompts.writer_messages("A mill.", [], 5)[1]["content"]


@pytest.mark.parametrize("style", PROMPTS)
def test_a_request_for_a_short_answer_contains_the_question(style):
    requests = PROMPTS[style]().short_answers
    asked = request_short_answers("A mill.", ["Who {keeps} bees?"], requests)
    assert "Who {keeps} bees?" in asked[0] and asked == request_short_answers(
        "A mill.", ["Who {keeps} bees?"], requests
    )
