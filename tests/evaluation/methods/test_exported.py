import gc
from dataclasses import replace

import pytest
import torch
from tiny_lorify import tiny_lorify

from lorify.answering.batches import answer_in_batches
from lorify.base.decoding.sampling import GenerationOptions
from lorify.data.examples import Example
from lorify.errors import EvaluationError
from lorify.evaluation.methods.internalized import prepare_adapter
from lorify.evaluation.methods.registry import parse_methods
from lorify.evaluation.runs.timing import answer_timed
from lorify.evaluation.suites.cases import make_case
from lorify.evaluation.suites.facts import FactsSuite
from lorify.facade import Lorify
from lorify.hypernets.relevance import Relevance


@pytest.fixture(scope="module")
def model():
    """A random hypernetwork whose adapters change answers."""
    model = tiny_lorify()
    with torch.no_grad():
        model.internalizer.hypernetwork.log_scale += 6
    return model


@pytest.fixture(scope="module")
def ingest(model):
    (method,) = parse_methods("exported")
    return method.load(model, 6)


def answers(prepared, questions, model):
    answerer = prepared.answerer or model.answerer
    queries = [prepared.query_for(question) for question in questions]
    planned = [(query, answerer.plan_query(query)) for query in queries]
    return [answer.text for answer in answer_in_batches(answerer, planned, GenerationOptions(6))]


def test_it_answers_as_the_unfocused_adapter_that_is_always_on(model, ingest):
    (case,) = FactsSuite(documents=1, questions=3).build(model)
    (static,) = parse_methods("adapter:focus=false:only_if_relevant=false")
    # Of different lengths, and one is not about the document.
    questions = [question.text for question in case.questions] + ["Hi"]
    found = answers(ingest(case), questions, model)
    assert found == answers(static.load(model, 6)(case), questions, model)
    (bare,) = parse_methods("none")
    assert found != answers(bare.load(model, 6)(case), questions, model)


def test_each_question_gets_the_adapter_of_its_own_documents(model, ingest):
    cases = FactsSuite(documents=2, questions=1).build(model)
    prepared = [ingest(case) for case in cases]
    answerer = prepared[0].answerer
    queries = [p.query_for("Who runs the mill?") for p in prepared]
    planned = [(query, answerer.plan_query(query)) for query in queries]
    together = [answer.text for answer in answer_in_batches(answerer, planned, GenerationOptions(6))]
    assert together == [answers(p, ["Who runs the mill?"], model)[0] for p in prepared]


def test_in_parts_a_question_is_answered_by_the_part_that_has_its_words(model):
    relevance = Relevance(threshold=0.3, unseen_weight=1.0, weights={"the": 0.1, "who": 0.1})
    routed = Lorify(model.base, replace(model.internalizer, relevance=relevance))
    texts = ["Ada runs the mill in Torvik.", "Nils keeps the keys of the church."]
    case = make_case(model.base, "case", Example(("\n\n".join(texts),), (), "case"))
    (method,) = parse_methods("exported:parts=true")
    prepared = method.load(routed, 6)(case)
    parts = list(routed.internalizer.divider.divide(prepared.adapter))
    asked = {"Who runs the mill?": texts[0], "Who keeps the keys?": texts[1]}
    for question, text in asked.items():
        (part,) = [part for part in parts if text in part.text]
        ingested = prepare_adapter(part.adapter, only_if_relevant=False, focus=False)
        assert answers(prepared, [question], routed) == answers(ingested, [question], routed)
    (bare,) = parse_methods("none")
    unrelated = ["What is two plus two?"]
    assert answers(prepared, unrelated, routed) == answers(bare.load(model, 6)(case), unrelated, routed)


def test_a_studied_adapter_in_parts_is_refused_before_it_is_studied():
    with pytest.raises(EvaluationError, match="give study or parts"):
        parse_methods("exported:study=60:parts=true")


def test_a_timed_answer_is_the_same(model, ingest):
    (case,) = FactsSuite(documents=1, questions=1).build(model)
    prepared = ingest(case)
    question = case.questions[0].text
    timed = answer_timed(prepared.answerer, lambda: prepared.query_for(question), GenerationOptions(6))
    assert timed.text == answers(prepared, [question], model)[0]


def test_the_folder_is_deleted_with_its_adapter(model, ingest):
    (case,) = FactsSuite(documents=1, questions=1).build(model)
    prepared = ingest(case)
    folder = prepared.answerer.folder(prepared.adapter)
    assert (folder / "adapter_config.json").is_file()
    del prepared
    gc.collect()
    assert not folder.exists()
