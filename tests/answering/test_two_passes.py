from dataclasses import replace
from weakref import WeakKeyDictionary

import pytest
from tiny_lorify import tiny_lorify

from lorify.adapters import AdapterStack
from lorify.answering.plan import AnswerPlan, Query
from lorify.answering.task_forms import STAND_INS
from lorify.answering.two_passes import DRAFT_TOKENS, Draft, TwoPasses
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


def test_a_short_answer_gets_the_form_of_the_task_and_keeps_its_letters(model, document, task):
    tried = []

    def answer(plans, max_new_tokens):
        prompts = [model.base.decode_text(plan.prompt_ids) for plan in plans]
        tried.append(len(plans))
        return [
            Draft(f"[{prompt}]" if plan.adapters.adapters == (task,) else "Velova")
            for plan, prompt in zip(plans, prompts, strict=True)
        ]

    passes = TwoPasses(answer, model.base.encode_text, model.base.encode_text, WeakKeyDictionary())
    stack = model.combine([(document, 1.0), (task, 1.0)])
    requests = [model.answerer.request(Query(QUESTION, s)) for s in (stack, AdapterStack.of(document), stack)]
    plans = [AnswerPlan(request.prompt_ids, request.adapters, request=request) for request in requests]
    first, alone, last = passes.plan(plans)
    assert first.quote is not None and first.quote.text == "[Velova]" == last.quote.text
    assert model.base.decode_text(first.quote_ids) == "[Velova]"
    assert alone == plans[1]
    assert tried == [2, len(STAND_INS)]  # both documents' answers, then the task once
    assert passes.plan(plans[:1]) == [first]
    assert tried[2:] == [1], "a task that was tried before is not tried again"
    weaker = model.combine([(document, 1.0), (task, 0.5)])
    passes.plan([replace(plans[0], adapters=weaker)])
    assert tried[3:] == [1, len(STAND_INS)]


def test_an_answer_that_the_documents_do_not_state_is_withheld_without_the_task(model, document, task):
    def write(plans, max_new_tokens):
        return [
            Draft("Not said.", "Ada") if "mill" in model.base.decode_text(p.prompt_ids) else Draft("?") for p in plans
        ]

    passes = TwoPasses(write, model.base.encode_text, model.base.encode_text, WeakKeyDictionary())
    stack = model.combine([(document, 1.0), (task, 1.0)])
    plan = model.answerer.plan_query(Query(QUESTION, stack, only_if_relevant=False, two_passes=False))
    assert plan.request is not None
    (planned,) = passes.plan([replace(plan, request=replace(plan.request, two_passes=True))])
    assert planned.adapters.adapters == (document,) and planned.prompt_ids == plan.prompt_ids
    assert planned.quote is not None and planned.quote.text == "Ada", "what the usual check then withholds"
