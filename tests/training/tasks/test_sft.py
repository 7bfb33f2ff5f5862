import json

import pytest
import torch
from tiny import tiny_associative_config, tiny_base
from training.small_tasks import (
    SHAPE,
    assert_same_weights,
    lora_config,
    start,
    system_message_config,
    task_config,
    train,
)

from lorify.adapters import build_lora_batch, load_adapter
from lorify.errors import ConfigError, HypernetworkError, TrainingError
from lorify.hypernets.associative.kind import ASSOCIATIVE
from lorify.hypernets.associative.network import AssociativeHypernetwork
from lorify.hypernets.registry import load_internalizer, load_specializer
from lorify.hypernets.text_to_lora.kind import TEXT_TO_LORA
from lorify.hypernets.text_to_lora.library import load_library
from lorify.hypernets.text_to_lora.training_config import TaskTrainingConfig
from lorify.training.registry import load_training_config


def test_a_resumed_run_equals_an_uninterrupted_one_with_dropout_and_noise(tmp_path, tasks_path):
    config = task_config(tasks_path)
    whole, seen = train(config, tmp_path / "a")
    parts, seen_in_parts = train(config, tmp_path / "b", stops=(1, 3, None))
    assert_same_weights(whole, parts)
    assert [p.metrics["loss"] for p in seen] == [p.metrics["loss"] for p in seen_in_parts]


def test_descriptions_learn_to_answer_and_the_result_specializes_a_base(tmp_path, tasks_path):
    changes = {"optimization": {"steps": 80, "learning_rate": 1e-2, "neftune_alpha": 0.0, "label_smoothing": 0.0}}
    config = task_config(tasks_path, evaluate_every=80, checkpoint_every=80, data={"tasks_per_batch": 4}, **changes)
    trainer = start(config, tmp_path / "run")
    before = trainer.evaluate()
    trainer.run(lambda _: None)
    assert trainer.evaluate()["loss/seen"] < 0.95 * before["loss/seen"]
    base = tiny_base()
    specializer = load_specializer(base, tmp_path / "run" / "best")
    assert specializer.encoder.name == "base" and specializer.config.rank == 2
    red, blue = specializer.specialize("Say red, whatever comes."), specializer.specialize("Say blue, whatever comes.")
    assert not torch.equal(red.weights[0, "q_proj"].B, blue.weights[0, "q_proj"].B)


@pytest.mark.parametrize("task_encoder", ["one_hot", "vq", "softmax"])
def test_codebooks_are_trained_and_saved(tmp_path, tasks_path, task_encoder):
    config = task_config(tasks_path, hypernetwork=SHAPE | {"task_encoder": task_encoder, "num_codes": 6, "size": "L"})
    train(config, tmp_path / "run")
    saved, _ = TEXT_TO_LORA.load(tmp_path / "run" / "best")
    assert (saved.task_encoder, saved.num_training_tasks) == (task_encoder, 4)


def test_the_hypernetwork_starts_at_a_lora_for_all_tasks(tmp_path, tasks_path):
    shared = lora_config(tasks_path, shared=True, optimization={"steps": 30, "learning_rate": 1e-2})
    train(shared, tmp_path / "shared")
    adapter = load_adapter(tmp_path / "shared" / "best")
    config = task_config(tasks_path, multi_task_lora=str(tmp_path / "shared" / "best"), learned_offset=True)
    objective = start(config, tmp_path / "run").objective
    with torch.no_grad():
        weights = objective.module(torch.randn(2, tiny_base().hidden_size)).weights
    for layer in (0, 1):
        torch.testing.assert_close(weights["down_proj"].A[1, layer], adapter.weights[layer, "down_proj"].A)
        torch.testing.assert_close(weights["down_proj"].B[0, layer], adapter.weights[layer, "down_proj"].B)
    assert all(p.requires_grad for p in objective.module.output_range.offset.parameters())
    other = task_config(tasks_path, multi_task_lora=str(tmp_path / "shared" / "best"), hypernetwork=SHAPE | {"rank": 3})
    with pytest.raises(TrainingError, match="other modules, blocks, rank or scaling"):
        start(other, tmp_path / "other")


def test_generated_rows_answer_as_saved_adapters_do(tmp_path, tasks_path):
    train(lora_config(tasks_path, optimization={"steps": 6, "learning_rate": 1e-2}), tmp_path / "run")
    library = load_library(tmp_path / "run" / "best")
    base = tiny_base()
    ids = torch.arange(10, 18).view(2, 4)
    rows = [library.adapters["task.red"], library.adapters["task.blue"]]
    with torch.no_grad(), base.hooks.applied(build_lora_batch(rows, base)):
        logits = base.model(ids).logits
    assert not torch.allclose(logits[0, 0], base.model(ids).logits[0, 0])


def test_rewording_is_refused_where_descriptions_are_embedded_before_the_run(tasks_path):
    with pytest.raises(ValueError, match=r"data\.rewording is for runs of kind system_message"):
        task_config(tasks_path, data={"rewording": True})


def test_hypernetworks_for_documents_and_for_tasks_are_not_confused(tmp_path, tasks_path):
    train(system_message_config(tasks_path), tmp_path / "run")
    train(task_config(tasks_path), tmp_path / "embedded")
    for run in ("run", "embedded"):
        with pytest.raises(HypernetworkError, match="reads descriptions of tasks, not documents; give it with --task"):
            load_internalizer(tiny_base(), tmp_path / run / "best")
    base = tiny_base()
    shape = tiny_associative_config(base, chunk_tokens=32)
    ASSOCIATIVE.save(tmp_path / "documents", shape, AssociativeHypernetwork(shape))
    with pytest.raises(
        HypernetworkError, match="reads documents, not descriptions of tasks; give it with --hypernetwork"
    ):
        load_specializer(base, tmp_path / "documents")


def test_configs_of_each_kind_and_their_problems(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"kind": "task", "hypernetwork": {"rank": 4}}))
    config = load_training_config(path, lambda document: document.update(optimization={"steps": 7}))
    assert isinstance(config, TaskTrainingConfig) and config.optimization.steps == 7 and config.hypernetwork.rank == 4
    for document, reason in (
        ({"kind": "nonsense"}, "'nonsense' cannot be trained; choose from"),
        ({"kind": "task", "data": {"facts": 3}}, "data.facts: unknown key"),
        ({"kind": "task", "learned_offset": True}, "learned_offset needs multi_task_lora"),
    ):
        path.write_text(json.dumps(document))
        with pytest.raises(ConfigError, match=reason):
            load_training_config(path)
