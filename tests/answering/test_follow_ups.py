"""Tests of rewriting follow-ups before relevance and focus see them."""

from unittest.mock import patch

import pytest
from tiny_lorify import tiny_lorify

from lorify.adapters import AdapterStack
from lorify.answering.follow_ups import rewrite_follow_ups
from lorify.answering.plan import Query, continue_chat
from lorify.contexts.documents import document_from_text

BUILT = ("Who built the windmill?", "Jasper Dunmore")


@pytest.fixture(scope="module")
def model():
    return tiny_lorify()


@pytest.fixture(scope="module")
def stack(model):
    return AdapterStack.of(model.internalize(document_from_text("Jasper Dunmore built the windmill in 1811.")))


def rewritten(model, stack, question: str, written: str) -> str:
    """The question that a request is planned with if the writer writes `written`."""
    request = model.answerer.request(continue_chat(Query(question, stack), [BUILT]))
    with patch(
        "lorify.answering.follow_ups.generate_batch",
        side_effect=lambda base, prompts, *_, **__: [base.encode_text(written)] * len(prompts),
    ):
        (planned,) = rewrite_follow_ups(model.base, model.internalize(document_from_text("-")), [request])
    assert planned.prompt_ids == request.prompt_ids
    return planned.question


def test_a_follow_up_is_planned_by_the_question_that_it_stands_for(model, stack):
    assert rewritten(model, stack, "And when?", "When was the windmill built?") == "When was the windmill built?"


@pytest.mark.parametrize("invented", ["When was Kelby built?", "What happened in 1903?", ""])
def test_a_question_with_a_name_or_number_of_its_own_is_not_taken(model, stack, invented):
    assert rewritten(model, stack, "And when?", invented) == "Who built the windmill?\nAnd when?"


def test_a_question_that_stands_alone_is_not_rewritten(model, stack):
    alone = "When does the bakery in Torberg open?"
    assert rewritten(model, stack, alone, "Who built the windmill?") == alone


def test_nothing_is_written_without_adapters(model):
    assert rewritten(model, AdapterStack(), "And when?", "When was it built?") == "Who built the windmill?\nAnd when?"
