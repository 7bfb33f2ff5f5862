from dataclasses import replace

import pytest
from tiny_lorify import tiny_lorify

from lorify.adapters import AdapterStack
from lorify.answering.plan import Query
from lorify.answering.two_passes import DRAFT_TOKENS
from lorify.base.decoding.sampling import GenerationOptions
from lorify.contexts.documents import document_from_text

QUESTION = "When does the mill open?"


@pytest.fixture(scope="module")
def model():
    return tiny_lorify()


@pytest.fixture(scope="module")
def document(model):
    return model.internalize(document_from_text("The mill opens at nine.", "mill"))


@pytest.fixture(scope="module")
def task(model):
    """An adapter that is marked as one of a task, which is written over the default system message."""
    adapter = model.internalize(document_from_text("Ada keeps bees.", "bees"))
    provenance = adapter.provenance.model_copy(
        update={"needs_default_system_message": True, "hypernetwork_digest": "another"}
    )
    return replace(adapter, provenance=provenance)


def test_the_task_is_done_on_the_answer_of_the_document(model, document, task):
    draft = model.ask(QUESTION, document, only_if_relevant=False, max_new_tokens=DRAFT_TOKENS)
    expected = model.ask(draft, task, max_new_tokens=8)
    stack = model.combine([(document, 1.0), (task, 1.0)])
    assert draft and model.ask(QUESTION, stack, only_if_relevant=False, max_new_tokens=8) == expected
    assert "".join(model.stream([{"role": "user", "content": QUESTION}], stack, max_new_tokens=8)) == expected


def test_the_updates_are_added_up_if_one_pass_is_asked_for(model, document, task):
    stack = model.combine([(document, 1.0), (task, 1.0)])
    plan = model.answerer.plan_query(Query(QUESTION, stack, only_if_relevant=False, two_passes=False))
    assert len(plan.adapters.parts) == 2 and plan.prompt_ids == model.answerer.prompts.question_ids(QUESTION)


def test_a_task_alone_and_a_document_alone_are_answered_in_one_pass(model, document, task):
    for adapter in (document, task):
        plan = model.answerer.plan_query(Query(QUESTION, AdapterStack.of(adapter), only_if_relevant=False))
        assert plan.prompt_ids == model.answerer.prompts.question_ids(QUESTION) and plan.is_on


def test_questions_of_a_batch_with_and_without_a_task_do_not_mix(model, document, task):
    stack = model.combine([(document, 1.0), (task, 1.0)])
    queries = [Query(QUESTION, s, only_if_relevant=False) for s in (AdapterStack.of(document), stack, AdapterStack())]
    plans = model.answerer.plan([model.answerer.request(query) for query in queries])
    together = [answer.text for answer in model.answerer.answer(plans, GenerationOptions(8))]
    alone = [
        model.answerer.answer([model.answerer.plan_query(query)], GenerationOptions(8))[0].text for query in queries
    ]
    assert together == alone
