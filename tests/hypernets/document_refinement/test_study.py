"""Study: answers of the focused adapter, fitted into the adapter for all questions."""

from dataclasses import replace

import pytest
import torch
from tiny_lorify import judging_lorify, tiny_lorify

from lorify.adapters import Adapter, LoraPair, build_lora_batch
from lorify.base.chat.prompts import PromptBuilder
from lorify.contexts.documents import Document, document_from_text
from lorify.errors import AdapterError, ContextError
from lorify.facade import Lorify
from lorify.hypernets.adapter_training.least_squares import FitSettings, fit_answers
from lorify.hypernets.adapter_training.time_limit import TimeLimit
from lorify.hypernets.adapter_training.training_examples import focusing, known_answer, student_log_probabilities
from lorify.hypernets.document_refinement import own_answers as own_answers_module
from lorify.hypernets.document_refinement.own_answers import own_answers
from lorify.hypernets.document_refinement.study import study

DOCUMENT = document_from_text("The mill opens at 9. Its owner is Ada. The Elm Bridge is 48 metres long.", "mill")
OTHER = document_from_text("The tower opens at 7. Its keeper is Bo.", "tower")
MODEL = tiny_lorify()
BASE = MODEL.base
PROMPTS = PromptBuilder(BASE.tokenizer)


def examples(**answers: str):
    stop = min(BASE.stop_ids)
    return [
        known_answer(BASE, question, PROMPTS.question_ids(question), [*BASE.encode_text(f" {answer}"), stop])
        for question, answer in answers.items()
    ]


@torch.no_grad()
def margins(lessons, adapter: Adapter) -> list[float]:
    """By how much the log-probability of each right token exceeds all others."""
    log = student_log_probabilities(BASE, lessons, build_lora_batch([adapter] * len(lessons), BASE) or {})
    right = torch.cat([lesson.top_ids[:, 0] for lesson in lessons]).unsqueeze(-1)
    return (log.gather(-1, right) - log.scatter(-1, right, -torch.inf).amax(-1, keepdim=True)).flatten().tolist()


def test_fitted_answers_become_the_most_probable_ones():
    adapter = MODEL.internalize(DOCUMENT)
    lessons = examples(When="9", Who="Ada")
    assert max(margins(lessons, adapter)) < 0  # no token is the most probable one before
    fitted = fit_answers(BASE, lessons, adapter)
    assert sum(margin > 0 for margin in margins(lessons, fitted)) > len(margins(lessons, fitted)) / 2
    assert all(torch.equal(fitted.weights[key].A, pair.A) for key, pair in adapter.weights.items())


def test_answers_that_are_right_by_the_margin_leave_the_adapter_as_it_is():
    adapter = MODEL.internalize(DOCUMENT)
    fitted = fit_answers(BASE, examples(When="9"), adapter, settings=FitSettings(margin=-100.0))
    assert all(torch.equal(fitted.weights[key].B, pair.B) for key, pair in adapter.weights.items())


def test_no_round_begins_after_the_time_is_over_but_the_first():
    adapter, lessons = MODEL.internalize(DOCUMENT), examples(When="9")
    once = fit_answers(BASE, lessons, adapter, limit=TimeLimit(0.0))
    assert sum(margins(lessons, once)) > sum(margins(lessons, adapter))
    more = fit_answers(BASE, lessons, adapter)
    assert any(not torch.equal(once.weights[key].B, more.weights[key].B) for key in adapter.weights)


def test_answers_are_fitted_however_much_of_their_prompts_is_the_same():
    adapter, lessons = MODEL.internalize(DOCUMENT), examples(When="9", Who="Ada")
    other_beginning = replace(lessons[0], ids=[BASE.encode_text("A")[0], *lessons[0].ids])
    for some in (lessons, lessons[:1], [lessons[0], lessons[0]], [other_beginning, lessons[1]]):
        assert sum(margins(some, fit_answers(BASE, some, adapter))) > sum(margins(some, adapter))


def test_an_adapter_of_other_layers_is_refused():
    adapter = MODEL.internalize(DOCUMENT)
    pair = LoraPair(torch.zeros(2, BASE.hidden_size), torch.zeros(BASE.linear(0, "q_proj").out_features, 2))
    with pytest.raises(AdapterError, match="of q_proj; expected an adapter of one layer that writes"):
        fit_answers(BASE, examples(When="9"), replace(adapter, weights={(0, "q_proj"): pair}))


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Lorify:
    """A model that focuses its adapters. Its answers end and count as sure, which those of a random base do not."""
    monkeypatch.setattr(own_answers_module, "MIN_TOKEN_PROBABILITY", 0.0)
    model = judging_lorify()
    model.base.model.generation_config.eos_token_id = list(range(0, 200, 4))
    return model


def studied(model: Lorify, adapter: Adapter, *documents: Document) -> Adapter:
    focus = focusing(model.internalizer)
    return study(model.base, adapter, documents, seconds=60, prompts=PROMPTS, focus=focus)


def test_study_brings_the_adapter_for_all_questions_nearer_to_the_focused_one(reading):
    adapter = reading.internalize(DOCUMENT)
    questions = ["The mill opens at what?", "Its owner is what?"]
    lessons = own_answers(
        reading.base, adapter, questions, focus=focusing(reading.internalizer), prompts=PROMPTS, limit=TimeLimit()
    )
    assert lessons
    after = studied(reading, adapter, DOCUMENT)
    assert sum(margins(lessons, after)) > sum(margins(lessons, adapter))
    assert after.provenance.studied_seconds is not None


def test_focused_answers_stay_and_a_change_of_documents_undoes_study(reading):
    adapter = reading.internalize(DOCUMENT)
    after = studied(reading, adapter, DOCUMENT)
    questions = ["Who is the owner of the mill?"]
    focus = focusing(reading.internalizer)
    (before,), (focused,) = focus([adapter], questions), focus([after], questions)
    assert before is not adapter
    for key, pair in before.weights.items():
        torch.testing.assert_close(focused.weights[key].B, pair.B)
    unstudied = reading.add(adapter, OTHER)
    changed = reading.add(after, OTHER)
    assert changed.provenance.studied_seconds is None
    for key, pair in unstudied.weights.items():
        torch.testing.assert_close(changed.weights[key].B, pair.B)


def test_an_adapter_without_tokens_cannot_study(reading):
    bare = reading.internalize(DOCUMENT, keep="none")
    with pytest.raises(AdapterError, match="keeps no tokens"):
        studied(reading, bare, DOCUMENT)


def test_a_document_without_sentences_to_ask_for_cannot_be_studied(reading):
    document = document_from_text("Hm.", "hm")
    with pytest.raises(ContextError, match="hm: there is nothing to study"):
        studied(reading, reading.internalize(document), document)


def test_unsure_answers_are_not_learned():
    model = judging_lorify()
    with pytest.raises(ContextError, match="sure of no answer"):
        studied(model, model.internalize(DOCUMENT), DOCUMENT)
