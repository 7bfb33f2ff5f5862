"""Answers in the words that the reader found, from documents to the answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import Mock, patch

import pytest
import torch
from tiny_lorify import judging_lorify

from lorify.adapters import AdapterStack
from lorify.answering.plan import Query
from lorify.base.constraints import json_constraint
from lorify.base.decoding.sampling import GenerationOptions
from lorify.contexts.documents import document_from_text
from lorify.facade import Lorify
from lorify.hypernets.associative.questions import answer_finder
from lorify.hypernets.associative.questions.focus import FocusSolver
from lorify.hypernets.associative.reader import AnswerLogits

MILL = document_from_text("The mill opens at nine. Its owner is Ada Holm, who keeps bees.", "mill")
BARN = document_from_text("The barn opens at ten. Its owner is Berta Holm, who keeps hens.", "barn")
QUESTION = "Who owns it?"


@contextmanager
def finding(model: Lorify, words: str, *, belongs: float = 9.0) -> Iterator[None]:
    """Let the reader find some words of every document that has them."""
    wanted = model.base.encode_text(words)

    def score(_reader, queries, **_options):
        return [[scores_of(document) for document in query.documents] for query in queries]

    def scores_of(document):
        ids = ids_of[len(document.tokens)]
        scores = answer_finder.TokenScores.unread(len(document.tokens), torch.device("cpu"))
        logits = torch.full((3, 1, len(document.tokens)), -9.0)
        # Each token of the memory stands for the token that follows it.
        begin = next((i for i in range(len(ids)) if ids[i : i + len(wanted)] == wanted), None)
        if begin is not None:
            last = begin + len(wanted) - 1
            logits[0, 0, begin - 1] = logits[1, 0, last - 1] = 9.0
            logits[2, 0, begin - 1 : last] = belongs
        scores.set_read(torch.arange(len(document.tokens)), AnswerLogits(logits[0], logits[2], logits[1]), 0)
        return scores

    ids_of = {}
    for document in (MILL, BARN):
        (memory,) = model.internalizer._load_documents(model.internalize(document))
        assert memory.tokens is not None and len(memory.tokens.chunk_sizes) == 1
        ids_of[len(memory.tokens.words)] = memory.tokens.ids.tolist()
    assert len(ids_of) == 2
    with patch.object(answer_finder, "score_tokens", score):
        yield


def owner(model: Lorify, *documents, **options):
    return model.answerer.plan_query(Query(QUESTION, AdapterStack.of(model.internalize(*documents)), **options))


def test_the_answer_is_the_words_with_the_sentence_that_they_are_from():
    model = judging_lorify()
    with finding(model, " Ada Holm"):
        plan = owner(model, MILL)
        (answer,) = model.answerer.answer([plan], GenerationOptions(24), with_confidence=True)
        assert answer.text == "Ada Holm" and answer.adapter_on
        assert answer.source is not None and answer.source.sentence == "Its owner is Ada Holm, who keeps bees."
        assert "".join(model.answerer.stream(plan, GenerationOptions(24))) == "Ada Holm"


def test_neither_an_adapter_nor_a_token_is_computed_for_words_that_are_known():
    model = judging_lorify()
    with finding(model, " Ada Holm"):
        stack = AdapterStack.of(model.internalize(MILL))
        queries = [Query(QUESTION, stack), Query("Describe the mill.", stack), Query(QUESTION, stack)]
        steps = Mock(side_effect=FocusSolver.write, autospec=True)
        with patch.object(FocusSolver, "write", lambda *arguments: steps(*arguments)):
            plans = [model.answerer.plan_query(query) for query in queries]
            quoted = model.answerer.answer([plans[0], plans[2]], GenerationOptions(24))
            assert list(model.answerer.stream(plans[0], GenerationOptions(1)))
            assert steps.call_count == 0
            answers = model.answerer.answer(plans, GenerationOptions(24))
            assert steps.call_count == 1
    assert [answer.text for answer in quoted] == ["Ada Holm", "Ada Holm"]
    assert [answer.text for answer in answers][::2] == ["Ada Holm", "Ada Holm"]
    assert answers[1].text == model.ask("Describe the mill.", stack.adapters[0], max_new_tokens=24)


def test_the_words_are_doubted_like_an_answer_of_the_base():
    model = judging_lorify()
    with finding(model, " Ada Holm"):
        plan = owner(model, MILL, not_stated="It does not say.")
        (answer,) = model.answerer.answer([plan], GenerationOptions(24), with_confidence=True)
        assert answer.confidence is not None
        assert answer.signals is not None and model.answerer.stated(answer.signals) is not None
        with patch.object(type(model.answerer), "is_stated", return_value=False):
            (withheld,) = model.answerer.answer([plan], GenerationOptions(24))
        assert (withheld.text, withheld.withheld) == ("It does not say.", "Ada Holm")


def test_of_several_documents_the_one_that_has_the_words_answers():
    model = judging_lorify()
    with finding(model, " Berta Holm"):
        plan = owner(model, MILL, BARN)
        assert plan.quote is not None and plan.quote.text == "Berta Holm"


def test_words_that_no_document_is_sure_of_are_left_to_the_base():
    model = judging_lorify()
    with finding(model, " Ada Holm", belongs=-9.0):
        assert owner(model, MILL).quote is None
    with finding(model, " Carla Holm"):
        assert owner(model, MILL).quote is None


@pytest.mark.parametrize("options", [{"focus": False}, {"answer_prefix": "The owner is"}])
def test_a_static_adapter_and_an_answer_that_is_begun_are_left_to_the_base(options):
    model = judging_lorify()
    with finding(model, " Ada Holm"):
        assert owner(model, MILL, **options).quote is None


def test_a_constraint_comes_before_the_words():
    model = judging_lorify()
    with finding(model, " Ada Holm"):
        plan = owner(model, MILL)
        (formed,) = model.answerer.answer([plan], GenerationOptions(8, constraint=json_constraint({"type": "boolean"})))
        assert formed.text in ("true", "false")


def test_a_refined_adapter_answers_itself():
    model = judging_lorify()
    with finding(model, " Ada Holm"):
        adapter = model.internalize(MILL)
        refined = replace(adapter, provenance=adapter.provenance.model_copy(update={"refined_seconds": 1.0}))
        assert model.answerer.plan_query(Query(QUESTION, AdapterStack.of(refined))).quote is None
