"""The ways of Doc-to-LoRA's training code that a config switches on, against values worked out by hand."""

import math
from contextlib import nullcontext

import pytest
import torch
from data.self_generated.published_files import published_row, write_published
from tiny import tiny_base
from training.small_perceiver import config, objective

from lorify.hypernets.doc_to_lora.kind import DOC_TO_LORA
from lorify.training.doc_to_lora.objective import PerceiverObjective, prepare_perceiver
from lorify.training.engine.loop import Trainer
from lorify.training.preparation import Preparation


def prepared(tmp_path, base, **changes) -> PerceiverObjective:
    rows = [published_row(base, f"Mill {i} keeps bees.", ["Who?", "Where is it?"]) for i in range(60)]
    write_published(tmp_path / "tiny/squad_compact/train/ds.parquet", rows)
    of = config(
        data__niah=0, data__facts=0, data__self_generated=1, data__self_generated_path=str(tmp_path / "tiny"),
        data__sampling="questions", data__carry_over=True, data__questions_per_context=1, optimization__loss="kl",
        data__chunk_probabilities=[1.0],
        **changes,
    )  # fmt: skip
    return prepare_perceiver(of, Preparation(tmp_path, lambda _: base, lambda *_: nullcontext(lambda *_: None)))


def test_published_data_is_trained_on_with_its_own_tokens(tmp_path):
    base = tiny_base()
    perceiver_objective = prepared(tmp_path, base)
    (row, *_) = perceiver_objective.train_batches.build(0)
    assert base.decode_text(row.chunks[0]).count("keeps bees.") == 1
    (segment,) = row.segments
    assert base.decode_text(segment.answer) == "Ada"
    assert perceiver_objective.loss(0).loss.isfinite()
    assert "loss/self-generated" in perceiver_objective.evaluate()


def test_a_context_whose_questions_are_all_too_long_is_left_out(tmp_path):
    base = tiny_base()
    whole = prepared(tmp_path / "all", base)
    asked = {row.segments[0].prompt for n in range(5) for row in whole.train_batches.build(n)}
    short = min(map(len, asked))
    limited = prepared(tmp_path / "short", base, data__max_question_tokens=short + 4)  # the answer has four tokens
    found = {row.segments[0].prompt for n in range(5) for row in limited.train_batches.build(n)}
    assert {len(prompt) for prompt in asked} > {len(prompt) for prompt in found} == {short}


def test_the_loss_can_be_the_mean_over_all_answer_tokens():
    by_context, by_token = objective(), objective(optimization__average_over="tokens", optimization__l1_weight=0.0)
    rows = by_token.train_batches.build(0)
    scores = by_context.score_contexts(rows)
    sizes = torch.tensor([len(segment.answer) for row in rows for segment in row.segments])
    questions = torch.tensor([len(row.segments) for row in rows])
    of_question = torch.stack([part.mean() for part in scores.token_loss.split(sizes.tolist())])
    of_context = torch.stack([part.mean() for part in of_question.split(questions.tolist())])
    torch.testing.assert_close(scores.loss, of_context, rtol=0, atol=1e-5)
    found = by_token.loss(0)
    torch.testing.assert_close(found.loss, (of_question * sizes).sum() / sizes.sum(), rtol=0, atol=1e-5)
    assert found.weight == sizes.sum()


def test_noise_on_the_questions_is_within_the_published_bound(monkeypatch):
    perceiver_objective = objective(optimization__neftune_alpha=5.0)
    rows = perceiver_objective.train_batches.build(0)
    base = perceiver_objective.base
    seen = []
    forward = base.decoder.forward
    monkeypatch.setattr(base.decoder, "forward", lambda **inputs: seen.append(inputs) or forward(**inputs))
    perceiver_objective.loss(0)
    noisy = next(inputs for inputs in seen if inputs.get("inputs_embeds") is not None)["inputs_embeds"]
    # One sequence with all questions: uniform in +-5 / sqrt(tokens * hidden size).
    bound = 5.0 / math.sqrt(sum(row.num_question_tokens for row in rows) * base.hidden_size)
    embeddings = base.model.get_input_embeddings().weight
    nearest = torch.cdist(noisy[0], embeddings).min(-1).indices
    noise = noisy[0] - embeddings[nearest]
    assert noise.abs().max() <= bound * 1.001
    assert noise.std() == pytest.approx(bound / math.sqrt(3), rel=0.1)
    seen.clear()
    perceiver_objective.evaluate()
    assert all(inputs.get("inputs_embeds") is None for inputs in seen)


def test_the_last_weights_are_kept_beside_the_best(tmp_path):
    base = tiny_base()
    perceiver_objective = objective(base, keep_last=True, optimization__steps=2, evaluate_every=1)
    trainer = Trainer(perceiver_objective.config, perceiver_objective, tmp_path / "run")
    trainer.run(lambda _: None, stop_at=1)
    assert not (tmp_path / "run" / "last").exists()
    trainer.run(lambda _: None)
    _, last = DOC_TO_LORA.load(tmp_path / "run" / "last")
    weights = perceiver_objective.module.state_dict()
    torch.testing.assert_close(last.state_dict(), weights, rtol=0, atol=1e-2)  # stored in bfloat16


def test_without_a_chunk_length_a_chunk_is_as_long_as_the_window():
    perceiver_objective = objective(hypernetwork__chunk_tokens=None)
    assert perceiver_objective.hypernetwork_config.chunk_tokens == perceiver_objective.base.window_tokens


def test_held_out_questions_are_answered_by_generation_if_wanted():
    plain, generating = objective(), objective(evaluation_answer_tokens=3)
    metrics = generating.evaluate()
    assert {name[3:] for name in metrics if name.startswith("f1/")} == {
        name[5:] for name in metrics if name.startswith("loss/")
    }
    assert all(0 <= metrics[name] <= 1 for name in metrics if name.startswith("f1/"))
    assert not any(name.startswith("f1/") for name in plain.evaluate())
    assert generating.score(metrics) == pytest.approx(plain.score(plain.evaluate()))


def test_a_question_is_answered_with_the_adapter_of_its_context():
    perceiver_objective = objective(evaluation_answer_tokens=4)
    rows = perceiver_objective.heldout_batches.build(0)[:2]
    together = perceiver_objective.generated_f1(rows)
    assert together == [perceiver_objective.generated_f1([row])[0] for row in rows]
