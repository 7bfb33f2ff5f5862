import random
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from devices import best_device
from pydantic import ValidationError
from tiny import tiny_base
from training.small_perceiver import config, objective, train_in_process, weights_after, write_self_generated
from training.two_processes import in_two_processes

from lorify.base.chat.prompts import build_prompt_ids, question_messages
from lorify.contexts.encoders.encoding import TextEncoder
from lorify.data.examples import Question
from lorify.data.self_generated.pipeline import answer_context
from lorify.data.self_generated.teachers import LocalTeacher
from lorify.errors import BaseModelError, HypernetworkError, TrainingError
from lorify.hypernets.doc_to_lora.chunk_merging import as_lora_batch, merge_chunks
from lorify.hypernets.doc_to_lora.internalizer import PerceiverInternalizer
from lorify.hypernets.doc_to_lora.training_config import PUBLISHED_CHUNK_PROBABILITIES
from lorify.hypernets.registry import load_internalizer
from lorify.training.doc_to_lora.batches import ContextRow, draw_num_chunks
from lorify.training.doc_to_lora.hypernetwork_config import build_hypernetwork_config
from lorify.training.doc_to_lora.objective import PerceiverObjective, prepare_perceiver
from lorify.training.engine.loop import Trainer
from lorify.training.engine.losses import answer_logits, cross_entropy_per_token, top_k_kl_per_token
from lorify.training.engine.optimizer import parameter_groups
from lorify.training.engine.packing import Segment, pack_rows
from lorify.training.preparation import Preparation


def test_a_batch_is_always_the_same_and_within_its_limits():
    perceiver_objective = objective()
    rows = perceiver_objective.train_batches.build(3)
    assert rows == perceiver_objective.train_batches.build(3) != perceiver_objective.train_batches.build(4)
    assert len(rows) > 1
    assert sum(row.num_context_tokens for row in rows) <= 1600
    assert sum(row.num_question_tokens for row in rows) <= 900
    assert len({len(row.chunks) for number in range(6) for row in perceiver_objective.train_batches.build(number)}) > 1


def test_contexts_that_never_fit_are_named():
    with pytest.raises(TrainingError, match="none of 20 contexts fits a batch"):
        objective(data__batch_question_tokens=5).train_batches.build(0)


def test_numbers_of_chunks_are_the_published_ones_where_they_are_feasible():
    rng = random.Random(0)

    def draw(num_tokens: int) -> Counter:
        return Counter(
            draw_num_chunks(rng, num_tokens, probabilities=PUBLISHED_CHUNK_PROBABILITIES, min_tokens=25, max_tokens=512)
            for _ in range(2000)
        )

    long = draw(400)
    assert set(long) == set(range(1, 9))
    assert 900 < long[1] < 1100
    assert set(draw(60)) == {1, 2, 3}
    assert set(draw(1300)) == {3, 4, 5, 6, 7, 8}
    assert set(draw(9000)) == {18}


@pytest.mark.parametrize(
    ("kind", "chosen", "num_layers"),
    [
        ("early_exit", None, 2),  # a quarter of its 8 blocks
        ("early_exit", 5, 5),
        ("per_layer_activations", None, 8),
        ("embeddings", None, 0),
    ],
)
def test_as_many_blocks_of_the_encoder_as_published(kind, chosen, num_layers):
    shape = objective(
        tiny_base(num_layers=8), hypernetwork__encoder=kind, hypernetwork__encoder_layers=chosen
    ).hypernetwork_config
    assert (shape.encoder.kind, shape.encoder.num_layers) == (kind, num_layers)


def test_early_exit_takes_a_quarter_of_the_encoder_and_not_of_the_base():
    encoder = TextEncoder(tiny_base("qwen3", num_layers=12))
    shape = build_hypernetwork_config(config(hypernetwork__encoder="early_exit"), tiny_base(num_layers=4), encoder)
    assert shape.encoder.num_layers == 3


@pytest.mark.parametrize("first_layer", [0, 1])
@pytest.mark.parametrize("loss", ["cross_entropy", "kl"])
def test_the_loss_is_the_mean_over_contexts_worked_out_one_by_one(loss, first_layer):
    perceiver_objective = objective(optimization__loss=loss, hypernetwork__first_layer=first_layer)
    rows = perceiver_objective.train_batches.build(0)
    found = perceiver_objective.loss(0)
    per_context = []
    for row in rows:
        generated = perceiver_objective.generate([row])
        merged = merge_chunks(generated, [len(row.chunks)], perceiver_objective.hypernetwork.bias())
        per_question = []
        for segment in row.segments:
            alone = pack_rows([[segment]])
            lora = as_lora_batch(merged, perceiver_objective.hypernetwork_config.scaling, first_layer=first_layer)
            logits = answer_logits(perceiver_objective.base, alone, lora)
            if loss == "kl":
                teacher = answer_logits(perceiver_objective.base, pack_rows([[segment]], teacher=True), None)
                per_question.append(top_k_kl_per_token(logits, teacher, 16).mean())
            else:
                per_question.append(cross_entropy_per_token(logits, alone.targets).mean())
        per_context.append(torch.stack(per_question).mean())
    together = merge_chunks(
        perceiver_objective.generate(rows), [len(row.chunks) for row in rows], perceiver_objective.hypernetwork.bias()
    )
    size = torch.stack([w.A.abs().mean() + w.B.abs().mean() for w in together.values()]).mean()
    assert size > 0 and found.metrics["generated_size"] == pytest.approx(size.item(), rel=1e-5)
    torch.testing.assert_close(found.loss, torch.stack(per_context).mean() + 0.1 * size, rtol=0, atol=1e-5)


def test_stored_predictions_are_those_the_teacher_makes(tmp_path):
    perceiver_objective = objective(optimization__loss="kl", optimization__teacher_top_k=4)
    context = "The mill opens at nine. Ada keeps bees there."
    questions = answer_context(
        LocalTeacher(perceiver_objective.base), context, ["Who keeps bees?", "When?"], top_k=4, max_new_tokens=6
    )
    chunks = [[5, 6, 7, 8]]
    stored = [Segment(tuple(_prompt(perceiver_objective, q.text)), q.answer_ids) for q in questions]
    asked = [
        replace(s, teacher_prompt=tuple(_prompt(perceiver_objective, q.text, context)))
        for s, q in zip(stored, questions, strict=True)
    ]
    half = [stored[0], asked[1]]
    losses = [
        perceiver_objective.score_contexts([ContextRow(chunks, segments, teacher_answers, "texts")]).loss
        for segments, teacher_answers in ((stored, questions), (asked, [None, None]), (half, [questions[0], None]))
    ]
    assert losses[0] > 1e-4
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-3, atol=1e-7)
    torch.testing.assert_close(losses[0], losses[2], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("system_turn", [False, True])
def test_the_student_is_asked_as_the_teacher_was_but_for_the_context(system_turn, monkeypatch):
    perceiver_objective = objective(optimization__loss="kl", hypernetwork__system_turn=system_turn)
    prompts = []
    teacher = LocalTeacher(perceiver_objective.base)
    answer = teacher.answer
    monkeypatch.setattr(teacher, "answer", lambda asked, **options: prompts.extend(asked) or answer(asked, **options))
    teacher_answers = answer_context(teacher, "A mill.", ["Who keeps bees?"], top_k=2, max_new_tokens=3)
    segment = perceiver_objective.train_batches.build_segment(teacher_answers[0], "A mill.")
    prompt_text = perceiver_objective.base.tokenizer.decode(prompts[0])
    assert "A mill.\n\n" in prompt_text
    assert perceiver_objective.base.tokenizer.decode(segment.prompt) == prompt_text.replace("A mill.\n\n", "")
    by_hand = perceiver_objective.train_batches.build_segment(
        Question("Who keeps bees?", ("Ada",)), "A mill."
    )  # answered as it is learned
    assert perceiver_objective.base.tokenizer.decode(by_hand.teacher_prompt).replace(
        "A mill.\n\n", ""
    ) == perceiver_objective.base.tokenizer.decode(by_hand.prompt)


def _prompt(perceiver_objective: PerceiverObjective, question: str, context: str | None = None) -> list[int]:
    return build_prompt_ids(perceiver_objective.base.tokenizer, question_messages(question, context))


def test_self_generated_data_is_trained_on(tmp_path):
    base, folder = tiny_base(), tmp_path / "data"
    write_self_generated(folder, base)
    changes = {"data__niah": 0, "data__facts": 0, "data__self_generated": 1, "data__self_generated_path": str(folder)}
    of = config(**changes, optimization__loss="kl")
    perceiver_objective = prepare_perceiver(
        of, Preparation(tmp_path, lambda _: base, lambda *_: nullcontext(lambda *_: None))
    )
    found = perceiver_objective.loss(0)
    assert "loss/self-generated" in found.metrics
    assert found.loss.isfinite()
    assert "loss/self-generated" in perceiver_objective.evaluate()


def test_it_learns(tmp_path):
    perceiver_objective = objective(
        optimization__steps=8, optimization__learning_rate=3e-2, data__facts=0, evaluate_every=8
    )
    losses: list[float] = []
    Trainer(perceiver_objective.config, perceiver_objective, tmp_path).run(
        lambda progress: losses.append(progress.metrics["loss"])
    )
    assert losses[-1] < losses[0] - 0.1
    internalizer = load_internalizer(perceiver_objective.base, tmp_path / "best")
    assert isinstance(internalizer, PerceiverInternalizer)
    assert internalizer.config.scaling == pytest.approx(2 * 2**1.5)


def assert_same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=1e-5, msg=lambda m, name=name: f"{name}: {m}")


def test_a_run_goes_on_as_if_it_had_never_stopped(tmp_path):
    whole = weights_after(tmp_path / "whole")
    weights_after(tmp_path / "parts", stop_at=2)
    assert_same(weights_after(tmp_path / "parts"), whole)


@pytest.mark.slow
def test_two_processes_are_one_with_twice_the_accumulation(tmp_path):
    in_two_processes(train_in_process, tmp_path / "two", None, {"optimization__steps": 2})
    found = torch.load(tmp_path / "two" / "weights.pt", weights_only=True)
    assert_same(found, weights_after(tmp_path / "one", optimization__steps=2, optimization__accumulation=2))


def test_weight_decay_spares_norms_biases_scales_and_latents():
    module = objective().module
    decayed, others = parameter_groups(module)
    assert "weight_decay" not in decayed
    assert others["weight_decay"] == 0.0
    spared = {name for name, _ in module.named_parameters() if not module.is_decayed(name)}
    parts = ("norm", "bias_", "scale_", "latents")
    assert spared == {n for n, _ in module.named_parameters() if any(part in n for part in parts)}
    assert len(others["params"]) == len(spared)
    assert "head" not in spared and "perceiver.encoder.cross.0.attention.q_proj.weight" not in spared


def test_an_encoder_in_4_bits_needs_cuda():
    with pytest.raises(BaseModelError, match="in 4 bits needs CUDA, but the base is on cpu"):
        objective(hypernetwork__quantized_encoder=True)


def test_a_start_of_another_kind_is_refused(tmp_path):
    from lorify.hypernets.associative.kind import ASSOCIATIVE
    from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork

    base = tiny_base()
    other = AssociativeConfig(
        base_name=base.name, base_digest=base.digest, hidden_size=48, input_size=96, layers=(0,), rank=4, width=8,
        chunk_tokens=32,
    )  # fmt: skip  # pyright: ignore[reportCallIssue]
    ASSOCIATIVE.save(tmp_path / "other", other, AssociativeHypernetwork(other))
    with pytest.raises(HypernetworkError, match="of kind associative, expected perceiver"):
        objective(base, init_from=tmp_path / "other")


def test_a_start_for_another_base_or_of_another_shape_is_refused_before_any_step(tmp_path):
    perceiver_objective = objective()
    perceiver_objective.save_best(tmp_path / "start")
    weights = perceiver_objective.module.state_dict()
    again = PerceiverObjective(config(init_from=tmp_path / "start"), tiny_base())
    assert all(torch.equal(again.module.state_dict()[name], weights[name]) for name in weights)
    with pytest.raises(HypernetworkError, match=r"was made for tiny-llama .* but the loaded base is tiny-mistral"):
        objective(tiny_base("mistral"), init_from=tmp_path / "start")
    with pytest.raises(TrainingError, match="has rank 2, the config wants 4; set hypernetwork as in its config"):
        objective(init_from=tmp_path / "start", hypernetwork__rank=4)
    with pytest.raises(TrainingError, match="has modules down_proj, q_proj, the config wants down_proj;"):
        objective(init_from=tmp_path / "start", hypernetwork__modules=["down_proj"])
    with pytest.raises(HypernetworkError, match=r"reads chunks of 100000 tokens, but the window of context encoder"):
        objective(init_from=tmp_path / "start", hypernetwork__chunk_tokens=100_000)
    shorter = objective(init_from=tmp_path / "start", hypernetwork__chunk_tokens=60)
    assert shorter.hypernetwork_config.chunk_tokens == 60  # what the run reads is what the result says


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"data__niah": 0, "data__facts": 0}, "all shares are 0"),
        ({"data__questions": 1}, "questions_path is null"),
        ({"data__chunk_probabilities": [0.0]}, "only zeros"),
        ({"optimization__loss": "mse"}, "cross_entropy"),
    ],
)
def test_bad_configs(changes, problem):
    with pytest.raises(ValidationError, match=problem):
        config(**changes)


def test_each_process_has_its_own_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    assert best_device() == torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert best_device() == torch.device("cuda", 3)
