import pytest

from lorify.answering.window import document_room, fit_document
from lorify.errors import ContextError

LONG = " ".join(f"Room {i} is red." for i in range(200))


def test_a_document_that_fits_stays_whole(model):
    assert fit_document(model.answerer, "The mill opens at nine.", "When?", 4) == "The mill opens at nine."


def test_the_middle_of_a_long_document_is_cut(model):
    fitting = fit_document(model.answerer, LONG, "Which?", 4)
    assert fitting.startswith("Room 0 is red.") and fitting.endswith("Room 199 is red.")
    prompt = model.answerer.prompts.question_ids("Which?", fitting)
    assert len(prompt) + 4 <= model.base.window_tokens < len(model.answerer.prompts.question_ids("Which?", LONG))


def test_a_question_that_does_not_fit_alone_is_refused(model):
    question = "why " * 300
    assert document_room(model.answerer, question, 4) < 0
    with pytest.raises(ContextError, match="shorten the question"):
        fit_document(model.answerer, LONG, question, 4)
