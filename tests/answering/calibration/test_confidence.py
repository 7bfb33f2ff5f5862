import json

import pytest
import torch

from lorify.adapters import AdapterStack
from lorify.answering.answerer import Answerer
from lorify.answering.calibration.confidence import (
    NO_ANSWER,
    ConfidenceModel,
    ConfidenceSignals,
    Signals,
    surprisal_signals,
)
from lorify.answering.calibration.stated import StatedSignals
from lorify.answering.plan import AnswerPlan
from lorify.answering.quotes import Quote
from lorify.contexts.documents import document_from_text
from lorify.errors import HypernetworkError

FITTED = ConfidenceModel(
    hypernetwork_digest="d1", bias=1.0, weights=(-1.0, -0.5), threshold=0.5, auroc=0.8, questions=9
)


def test_signals_are_the_surprisal_of_the_answers_tokens(model):
    adapter = model.internalize(document_from_text("The mill opens at nine."))
    prompt = model.answerer.prompts.question_ids("When?")
    on, off = AnswerPlan(prompt, AdapterStack.of(adapter)), AnswerPlan(prompt)
    bare = surprisal_signals(model.base, off, "nine")
    assert surprisal_signals(model.base, on, "nine") != bare
    assert surprisal_signals(model.base, on, "") == NO_ANSWER
    target = model.base.encode_text(" nine")
    with torch.inference_mode():
        logits = model.base.model(input_ids=torch.tensor([[*prompt, *target[:-1]]])).logits[0, len(prompt) - 1 :]
    surprisal = torch.nn.functional.cross_entropy(logits.float(), torch.tensor(target), reduction="none")
    assert bare == pytest.approx((surprisal.mean().log().item(), surprisal.max().log().item(), 0.0), abs=1e-2)


def test_an_unlikely_answer_is_doubtful():
    assert FITTED.is_doubtful(FITTED.probability(ConfidenceSignals(2.0, 2.0, 0.0)))
    assert not FITTED.is_doubtful(FITTED.probability(ConfidenceSignals(-3.0, -3.0, 0.0)))


def test_confidence_depends_on_whether_the_documents_state_the_answer(model):
    signals = Answerer(model.base, model.internalizer).signals(AnswerPlan((1,)), "nine")
    signals.__dict__ |= {"surprisal": Signals(-1.0, 0.0), "stated": None}
    assert signals.confidence == ConfidenceSignals(-1.0, 0.0, 0.0)
    signals.__dict__["stated"] = StatedSignals(0.0, 2.0, 1.0, 0.0, -3.0)
    assert signals.confidence == ConfidenceSignals(-1.0, 0.0, 0.0, 2.0, 1.0, 0.0, -3.0)


def test_words_of_the_reader_are_as_sure_as_the_reader_is(model):
    plan = AnswerPlan(model.answerer.prompts.question_ids("When?"), quote=Quote("nine", None, 0.9))
    sure, unsure = (surprisal_signals(model.base, plan, text) for text in ("nine", "ten"))
    assert sure.span == pytest.approx(2.197, abs=1e-3) and unsure.span == 0.0


def test_confidence_is_known_of_answers_with_the_hypernetworks_own_adapters_alone(model):
    own = model.internalize(document_from_text("The mill opens at nine."))
    answerer = Answerer(model.base, model.internalizer, FITTED)
    prompt = answerer.prompts.question_ids("When?")
    plan = AnswerPlan(prompt, AdapterStack.of(own))
    signals = answerer.signals(plan, "nine")
    assert signals.confidence[:3] == surprisal_signals(model.base, plan, "nine")
    assert answerer.confidence(signals) == FITTED.probability(signals.confidence)
    assert answerer.confidence(answerer.signals(AnswerPlan(prompt), "nine")) is None
    assert Answerer(model.base, model.internalizer).confidence(answerer.signals(plan, "nine")) is None
    other = Answerer(model.base, model.internalizer, FITTED.model_copy(update={"hypernetwork_digest": "other"}))
    assert other.confidence(answerer.signals(plan, "nine")) is None


def test_the_model_is_saved_beside_the_hypernetwork_that_it_was_fitted_for(tmp_path):
    assert ConfidenceModel.load(tmp_path, "d1") is None
    FITTED.save(tmp_path)
    assert ConfidenceModel.load(tmp_path, "d1") == FITTED
    assert ConfidenceModel.load(tmp_path, "other weights") is None
    assert [path.name for path in tmp_path.iterdir()] == [ConfidenceModel.file_name]
    fitted_before = FITTED.model_dump(mode="json") | {"weights": [-1.0, -0.5]}
    (tmp_path / ConfidenceModel.file_name).write_text(json.dumps(fitted_before))
    assert ConfidenceModel.load(tmp_path, "d1") == FITTED, "without a weight for the reader's words"
    (tmp_path / ConfidenceModel.file_name).write_text("{")
    with pytest.raises(HypernetworkError, match="damaged"):
        ConfidenceModel.load(tmp_path, "d1")
