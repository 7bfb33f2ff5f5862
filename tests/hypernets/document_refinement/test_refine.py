import threading
import time
from concurrent.futures import CancelledError
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch
from stand_in_readers import constant
from tiny_lorify import tiny_lorify

from lorify.adapters import build_lora_batch
from lorify.adapters.storage import load_adapter, save_adapter
from lorify.base.chat.prompts import PromptBuilder
from lorify.cancellation import CancelToken
from lorify.contexts.documents import document_from_text
from lorify.errors import AdapterError, ContextError
from lorify.hypernets.adapter_training.gradient_loop import blank_adapter, distill
from lorify.hypernets.adapter_training.time_limit import FIRST_ITEMS, TimeLimit
from lorify.hypernets.adapter_training.training_examples import focusing, mean_kl_to_teacher
from lorify.hypernets.document_refinement import statement_examples as statement_module
from lorify.hypernets.document_refinement.refine import refine
from lorify.hypernets.document_refinement.statement_examples import plausible_examples, statement_examples
from lorify.hypernets.document_refinement.teacher_examples import teacher_examples
from lorify.hypernets.relevance import Relevance

DOCUMENT = document_from_text("The mill opens at 9. Its owner is Ada. The Elm Bridge is 48 metres long.", "mill")
MODEL = tiny_lorify()
BASE = MODEL.base
PROMPTS = PromptBuilder(BASE.tokenizer)


def kl(examples, adapter) -> float:
    with torch.no_grad():
        return float(mean_kl_to_teacher(BASE, examples, build_lora_batch([adapter], BASE) or {}))


def examples_of_teacher(questions=("When?", "Who is it?")):
    return teacher_examples(
        BASE, DOCUMENT.text, questions, prompts=PROMPTS, num_questions=2, answer_tokens=4, limit=TimeLimit()
    )


def test_training_brings_the_student_nearer_to_the_teacher():
    examples, start = examples_of_teacher(), blank_adapter(BASE, 4, [DOCUMENT])
    before = kl(examples, start)
    trained = distill(BASE, examples, start, limit=TimeLimit(), steps=8, learning_rate=0.3, batch_size=2)
    assert kl(examples, trained) < 0.9 * before
    assert torch.equal(start.weights[0, "down_proj"].B, torch.zeros(48, 4))


def test_the_blank_adapter_is_the_bare_base():
    examples = examples_of_teacher()
    with torch.no_grad():
        bare = float(mean_kl_to_teacher(BASE, examples, {}))
    assert kl(examples, blank_adapter(BASE, 4, [DOCUMENT])) == pytest.approx(bare, abs=1e-6)


def test_a_teacher_that_is_the_student_has_nothing_to_teach():
    (example, *_) = examples_of_teacher()
    with torch.no_grad():
        ids = torch.tensor([example.ids])
        log = BASE.logits(BASE.decoder(input_ids=ids).last_hidden_state[0, -example.num_targets :]).log_softmax(-1)
    own = replace(example, top_ids=log.topk(16).indices, top_log=log.topk(16).values)
    assert kl([own], blank_adapter(BASE, 4, [DOCUMENT])) == pytest.approx(0, abs=1e-5)


def test_no_step_begins_after_the_deadline():
    examples, start = examples_of_teacher(), blank_adapter(BASE, 4, [DOCUMENT])
    late = TimeLimit(0.001, started=time.perf_counter() - 1)
    same = distill(BASE, examples, start, limit=late, learning_rate=0.3, batch_size=2)
    assert all(torch.equal(same.weights[key].B, pair.B) for key, pair in start.weights.items())
    started = time.perf_counter()
    distill(BASE, examples, start, limit=TimeLimit(0.3), learning_rate=0.3, batch_size=2)
    assert time.perf_counter() - started < 30  # without a limit it never ends; a loaded machine may be slow in a step


def test_training_ends_when_it_is_cancelled():
    examples, start = examples_of_teacher(), blank_adapter(BASE, 4, [DOCUMENT])
    cancel = CancelToken()
    threading.Timer(0.2, cancel.cancel).start()
    with pytest.raises(CancelledError):
        distill(BASE, examples, start, limit=TimeLimit(cancel=cancel), learning_rate=0.3, batch_size=2)
    with pytest.raises(CancelledError):
        refine(BASE, MODEL.internalize(DOCUMENT), [DOCUMENT], prompts=PROMPTS, seconds=600.0, cancel=cancel)


def test_the_teacher_stops_asking_at_its_deadline():
    examples = teacher_examples(
        BASE, DOCUMENT.text, None, prompts=PROMPTS, num_questions=40, answer_tokens=2, limit=TimeLimit(0.0)
    )
    assert len(examples) == FIRST_ITEMS  # the first few are always asked


def test_statements_are_examples_whose_targets_are_their_answers():
    examples = statement_examples(BASE, [DOCUMENT.text], TimeLimit(), prompts=PROMPTS)
    texts = [BASE.decode_text(example.top_ids[:, 0].tolist()) for example in examples]
    # The end of the turn is a special token; after a number it is left open, so that a unit may follow.
    assert texts == [" 9", " Ada", " 48"]
    assert [
        example.num_targets - len(BASE.encode_text(text)) for example, text in zip(examples, texts, strict=True)
    ] == [1, 1, 0]
    assert all(example.num_targets == len(example.top_ids) for example in examples)
    # The student has seen the question and all of the answer but its last token.
    assert BASE.decode_text(examples[0].ids).endswith("assistant\n 9")


def test_refining_learns_what_the_document_states_and_says_so(tmp_path):
    generated = MODEL.internalize(DOCUMENT)
    examples = statement_examples(BASE, [DOCUMENT.text], TimeLimit(), prompts=PROMPTS)
    refined = refine(BASE, generated, [DOCUMENT], prompts=PROMPTS, seconds=1.0)
    assert kl(examples, refined) < kl(examples, generated)
    assert refined.provenance.documents == generated.provenance.documents
    assert refined.provenance.refined_seconds is not None and refined.provenance.refined_seconds > 0
    save_adapter(refined, tmp_path / "refined")
    loaded = load_adapter(tmp_path / "refined")
    assert loaded.provenance == refined.provenance
    assert kl(examples, loaded) == pytest.approx(kl(examples, refined))


def test_a_refined_adapter_shares_its_A_and_can_no_longer_change_documents():
    generated = MODEL.internalize(DOCUMENT)
    refined = refine(BASE, generated, [DOCUMENT], prompts=PROMPTS, seconds=0.01)
    assert all(pair.A is generated.weights[key].A for key, pair in refined.weights.items())
    with pytest.raises(AdapterError, match="without --refine"):
        MODEL.add(refined, document_from_text("More.", "more"))


def test_a_refined_adapter_is_still_off_for_unrelated_questions():
    relevance = Relevance(threshold=0.5, unseen_weight=1.0, weights={})
    internalizer = replace(MODEL.internalizer, relevance=relevance)
    refined = refine(BASE, internalizer.internalize([DOCUMENT]), [DOCUMENT], prompts=PROMPTS, seconds=0.01)
    assert internalizer.prepare([refined], ["The Elm Bridge?"])[0].adapter is not None
    with patch.object(internalizer.hypernetwork.reader, "forward", constant(-9.0)):
        assert internalizer.prepare([refined], ["Which planets have rings?"])[0].adapter is None


def test_a_refined_adapter_is_focused_with_what_it_learned_on_top():
    relevance = Relevance(threshold=0.5, unseen_weight=5.0, weights={})
    internalizer = replace(MODEL.internalizer, relevance=relevance)
    generated = internalizer.internalize([DOCUMENT])
    refined = refine(BASE, generated, [DOCUMENT], prompts=PROMPTS, seconds=0.3)
    question = "Who owns the mill?"
    before, after = focusing(internalizer)([generated, refined], [question] * 2)
    assert any(not torch.equal(before.weights[key].B, generated.weights[key].B) for key in generated.weights)
    for key in generated.weights:
        learned = refined.weights[key].B - generated.weights[key].B
        torch.testing.assert_close(after.weights[key].B, before.weights[key].B + learned, rtol=0, atol=1e-5)


def test_refining_trains_below_what_each_question_is_focused_on():
    internalizer = replace(MODEL.internalizer, relevance=Relevance(threshold=0.5, unseen_weight=5.0, weights={}))
    generated = internalizer.internalize([DOCUMENT])
    examples = statement_examples(BASE, [DOCUMENT.text], TimeLimit(), prompts=PROMPTS)
    refined = refine(BASE, generated, [DOCUMENT], prompts=PROMPTS, seconds=1.0, focus=focusing(internalizer))

    def loss(adapter) -> float:
        focused = focusing(internalizer)([adapter] * len(examples), [example.question for example in examples])
        with torch.no_grad():
            return float(mean_kl_to_teacher(BASE, examples, build_lora_batch(focused, BASE) or {}))

    assert loss(refined) < loss(generated)


def test_a_writer_asks_for_every_word_until_half_of_the_time_is_over():
    asked = []

    def write(base, prompts, options, **settings):
        asked.append([base.decode_text(ids) for ids in prompts])
        assert settings["lora"] is not None
        greedy = not options.temperature
        return [base.encode_text(f"What about {'it' if greedy else 'this'}, number {i}?") for i in range(len(prompts))]

    writer = blank_adapter(BASE, 2, [DOCUMENT])
    with patch("lorify.hypernets.document_refinement.written_questions.generate_batch", write):
        examples = statement_examples(BASE, [DOCUMENT.text], TimeLimit(), prompts=PROMPTS, writer=writer)
        assert sorted(example.question[:13] for example in examples) == ["What about it"] * 3 + ["What about th"] * 3
        for prompt in asked[0]:
            text, _, answer = prompt.partition("\n\nAnswer: ")
            assert any(answer.startswith(wanted) and wanted in text for wanted in ("9", "Ada", "48 metres"))
        # The first few are always written, other wordings only if there is time.
        late = statement_examples(
            BASE, [DOCUMENT.text], TimeLimit(1.0, started=time.perf_counter() - 1.0), prompts=PROMPTS, writer=writer
        )
        assert len(late) == FIRST_ITEMS


def test_written_questions_with_answers_that_the_adapter_finds_impossible_are_not_learned(monkeypatch):
    # as much as a tiny random base can learn
    monkeypatch.setattr(statement_module, "MIN_FIRST_TOKEN_PROBABILITY", 0.006)
    adapter = MODEL.internalize(DOCUMENT)
    examples = statement_examples(BASE, [DOCUMENT.text], TimeLimit(), prompts=PROMPTS) * 7
    trained = distill(BASE, examples[:3], adapter, limit=TimeLimit(), steps=60, learning_rate=0.1, batch_size=3)
    wrong = [replace(example, top_ids=example.top_ids + 1) for example in examples]
    assert plausible_examples(BASE, examples, adapter) == []
    assert plausible_examples(BASE, [*wrong, *examples], trained) == examples
    focused_on = []

    def focus(adapters, questions):
        focused_on.extend(questions)
        return [adapter] * len(adapters)

    assert plausible_examples(BASE, examples, trained, focus=focus) == []
    assert focused_on == [example.question for example in examples]


def test_a_document_that_states_nothing_cannot_be_refined():
    empty = document_from_text("so it goes", "so")
    with pytest.raises(ContextError, match="so: no sentence"):
        refine(BASE, MODEL.internalize(empty), [empty], prompts=PROMPTS, seconds=1.0)
