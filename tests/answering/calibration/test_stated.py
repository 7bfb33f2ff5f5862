from dataclasses import replace

import pytest
from tiny_lorify import tiny_lorify

from lorify.adapters import AdapterStack
from lorify.answering.answerer import Answerer
from lorify.answering.calibration.confidence import Signals
from lorify.answering.calibration.stated import StatedModel, stated_signals
from lorify.answering.plan import Query
from lorify.answering.sources import Source
from lorify.base.chat.prompts import Message
from lorify.base.decoding.sampling import GenerationOptions
from lorify.contexts.documents import document_from_text
from lorify.data.answers import NOT_STATED
from lorify.errors import HypernetworkError, RequestError
from lorify.facade import Lorify
from lorify.hypernets.relevance import Relevance

OPTIONS = GenerationOptions(4)
REPLY = "It is not in there."


def fitted(bias: float) -> StatedModel:
    """A model that gives every answer the same probability."""
    return StatedModel(hypernetwork_digest="d1", bias=bias, weights=(0.0,) * 4, threshold=0.5, auroc=0.9, questions=9)


def asked(bias: float, **options):
    """An answerer with such a model, and a planned question about a document."""
    tiny = tiny_lorify()
    internalizer = replace(tiny.internalizer, relevance=Relevance(threshold=0.0, unseen_weight=1.0, weights={}))
    model = Lorify(tiny.base, internalizer, stated_model=fitted(bias))
    stack = AdapterStack.of(model.internalize(document_from_text("The mill opens at nine.")))
    return model.answerer, model.answerer.plan_query(Query("When?", stack, **options))


def test_an_answer_that_the_documents_do_not_state_is_replaced():
    answerer, plan = asked(bias=-5.0, not_stated=REPLY)
    (answer,) = answerer.answer([plan], OPTIONS)
    any_answerer, any_plan = asked(bias=-5.0)
    (given,) = any_answerer.answer([any_plan], OPTIONS)
    assert answer.text == REPLY and answer.withheld == given.text and given.withheld is None
    assert list(answerer.stream(plan, OPTIONS)) == [REPLY]


def test_a_stated_answer_is_given():
    answerer, plan = asked(bias=5.0, not_stated=REPLY)
    (answer,) = answerer.answer([plan], OPTIONS)
    assert answer.text != REPLY and answer.withheld is None


def test_an_answer_of_the_bare_base_is_not_judged():
    answerer, _ = asked(bias=-5.0)
    plan = answerer.plan_query(Query("When?", not_stated=REPLY))
    (answer,) = answerer.answer([plan], OPTIONS)
    assert answer.withheld is None and answerer.stated(answerer.signals(plan, "nine")) is None


def test_without_a_fitted_model_every_answer_is_given():
    tiny = tiny_lorify()
    stack = AdapterStack.of(tiny.internalize(document_from_text("The mill opens at nine.")))
    answerer = Answerer(tiny.base, tiny.internalizer)
    assert answerer.answer([answerer.plan_query(Query("When?", stack, not_stated=REPLY))], OPTIONS)[0].withheld is None


def grounding() -> tuple[Lorify, AdapterStack]:
    """A model that takes no question for one about its document, and an adapter of a document."""
    tiny = tiny_lorify()
    internalizer = replace(tiny.internalizer, relevance=Relevance(threshold=1.0, unseen_weight=1.0, weights={}))
    model = Lorify(tiny.base, internalizer, stated_model=fitted(bias=5.0))
    return model, AdapterStack.of(model.internalize(document_from_text("The mill opens at nine.")))


def test_grounded_answers_are_never_the_bare_bases():
    model, stack = grounding()
    question = "Qqq zzz xxx?"
    plans = [
        model.answerer.plan_query(Query(question, adapters, not_stated=REPLY, grounded=True))
        for adapters in (stack, AdapterStack())
    ]
    for answer in model.answerer.answer(plans, OPTIONS):
        assert answer.text == REPLY and not answer.adapter_on and answer.withheld == ""
    assert "".join(model.answerer.stream(plans[0], OPTIONS)) == REPLY
    assert model.ask(question, stack, grounded=True) == NOT_STATED
    assert "".join(model.stream([Message(role="user", content=question)], stack, grounded=True)) == NOT_STATED
    assert model.ask(question, stack, not_stated=REPLY, max_new_tokens=40) not in (REPLY, NOT_STATED)


def test_grounded_answers_about_the_document_are_given():
    answerer, plan = asked(bias=5.0, not_stated=REPLY, grounded=True)
    assert plan.is_on and not plan.is_declined and answerer.answer([plan], OPTIONS)[0].text != REPLY


def test_grounded_answers_have_no_schema():
    model, stack = grounding()
    with pytest.raises(RequestError, match="would not match a schema"):
        model.ask("When?", stack, grounded=True, schema={"type": "object"})


def test_signals_say_where_the_answer_is_and_whether_it_can_be_there():
    source = Source("mill", "The mill opens at nine.", "", 0.5)
    at_nine = stated_signals("nine", Signals(-1.0, 0.0), source, located=0.9)
    assert at_nine.quoted == 1.0 and at_nine.located > 2 and not at_nine.verdict
    assert stated_signals("ten", Signals(-1.0, 0.0), source, located=0.9).quoted == -1.0
    offered = stated_signals("ten", Signals(-1.0, 0.0), source, located=0.1, question="Does it open at ten or nine?")
    other = stated_signals("ten", Signals(-1.0, 0.0), source, located=0.1, question="When does it open, or close?")
    assert offered.verdict == 1.0 and not offered.located and not other.verdict
    yes = stated_signals("Yes", Signals(-1.0, 0.0), source, located=0.9, extracted=0.1)
    assert yes.verdict == 1.0 and yes.located == yes.quoted == yes.extracted == 0.0
    surely, hardly = (stated_signals("nine", Signals(-1.0, 0.0), source, 0.9, extracted=x) for x in (0.9, 0.1))
    assert surely.extracted > 2 > 0 == at_nine.extracted > -2 > hardly.extracted


def test_the_model_is_saved_beside_the_hypernetwork_that_it_was_fitted_for(tmp_path):
    assert StatedModel.load(tmp_path, "d1") is None
    fitted(1.0).save(tmp_path)
    assert StatedModel.load(tmp_path, "d1") == fitted(1.0)
    assert StatedModel.load(tmp_path, "other weights") is None
    (tmp_path / StatedModel.file_name).write_text("{")
    with pytest.raises(HypernetworkError, match="lorify eval stated --save"):
        StatedModel.load(tmp_path, "d1")
