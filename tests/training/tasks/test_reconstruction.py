import math

import pytest
import torch
from tiny import tiny_base
from training.small_tasks import RUN, SHAPE, assert_same_weights, lora_config, start, task_config, train

from lorify.errors import ContextError, TrainingError
from lorify.hypernets.registry import load_specializer
from lorify.hypernets.text_to_lora.kind import TEXT_TO_LORA
from lorify.hypernets.text_to_lora.library import load_library
from lorify.hypernets.text_to_lora.training_config import ReconstructionTrainingConfig


def test_a_library_is_trained_and_reconstructed_from_descriptions(tmp_path, tasks_path):
    trainer, _ = train(lora_config(tasks_path), tmp_path / "library")
    resumed, _ = train(lora_config(tasks_path), tmp_path / "again", stops=(2, None))
    assert_same_weights(trainer, resumed)
    library = load_library(tmp_path / "library" / "best")
    assert sorted(library.adapters) == ["task.blue", "task.green", "task.red", "task.white"]
    assert library.adapters["task.red"].scaling((0, "q_proj")) == pytest.approx(16 / math.sqrt(2))
    for target in ("z_scores", "delta_w"):
        document = {
            **RUN,
            "library": str(tmp_path / "library" / "best"),
            "target": target,
            "hypernetwork": SHAPE,
            "optimization": {"steps": 120, "learning_rate": 1e-2, "warmup_steps": 1},
            "evaluate_every": 120,
            "checkpoint_every": 120,
        }
        config = ReconstructionTrainingConfig.model_validate(document)
        rebuilding = start(config, tmp_path / target)
        before = rebuilding.evaluate()["mean_absolute_error"]
        rebuilding.run(lambda _: None)
        assert rebuilding.evaluate()["mean_absolute_error"] < 0.95 * before
        specializer = load_specializer(tiny_base(), tmp_path / target / "best")
        rebuilt = specializer.specialize("Say red, whatever comes.")
        assert rebuilt.scaling((0, "q_proj")) == pytest.approx(16 / math.sqrt(2))
        assert specializer.num_training_tasks == 4


def test_a_library_starts_at_generated_loras_and_can_be_reconstructed(tmp_path, tasks_path):
    train(task_config(tasks_path, optimization={"learning_rate": 1e-2}), tmp_path / "hypernetwork")
    begun = {"init_from": str(tmp_path / "hypernetwork" / "best"), "embedder": "base"}
    moving = {"optimization": {"steps": 10, "learning_rate": 1e-2}}
    library = start(lora_config(tasks_path, **begun, **moving), tmp_path / "library")
    generated = load_specializer(tiny_base(), tmp_path / "hypernetwork" / "best").specialize("Say red, whatever comes.")
    own = library.objective.adapter("task.red")
    for key, pair in generated.weights.items():
        torch.testing.assert_close(own.weights[key].A, pair.A)
        torch.testing.assert_close(own.weights[key].B, pair.B)
    library.run(lambda _: None)
    document = {
        **RUN,
        **{"init_from": begun["init_from"], "library": str(tmp_path / "library" / "best")},
        "hypernetwork": {"embedder": "base"},  # all else of its shape is that of init_from
        "optimization": {"steps": 40, "learning_rate": 1e-3, "warmup_steps": 1},
        **{"evaluate_every": 40, "checkpoint_every": 40},
    }
    rebuilding = start(ReconstructionTrainingConfig.model_validate(document), tmp_path / "run")
    before = rebuilding.evaluate()["mean_absolute_error"]
    rebuilding.run(lambda _: None)
    assert rebuilding.evaluate()["mean_absolute_error"] < before
    assert TEXT_TO_LORA.load(tmp_path / "run" / "best")[0].latent_size == SHAPE["latent_size"]
    with pytest.raises(TrainingError, match="other modules, blocks, rank or scaling"):
        start(lora_config(tasks_path, **begun, lora={"modules": ["q_proj"], "rank": 2}), tmp_path / "other")
    with pytest.raises(ValueError, match="init_from is for one LoRA for each task"):
        lora_config(tasks_path, **begun, shared=True)


def test_a_library_is_reconstructed_from_the_numbers_of_its_tasks(tmp_path, tasks_path):
    train(lora_config(tasks_path, optimization={"learning_rate": 1e-2}), tmp_path / "library")
    document = {
        **RUN,
        "library": str(tmp_path / "library" / "best"),
        "hypernetwork": {**SHAPE, "embedder": "one_hot"},
        "optimization": {"steps": 60, "learning_rate": 1e-2, "warmup_steps": 1},
        **{"evaluate_every": 60, "checkpoint_every": 60},
    }
    rebuilding = start(ReconstructionTrainingConfig.model_validate(document), tmp_path / "run")
    before = rebuilding.evaluate()["mean_absolute_error"]
    rebuilding.run(lambda _: None)
    assert rebuilding.evaluate()["mean_absolute_error"] < 0.95 * before
    specializer = load_specializer(tiny_base(), tmp_path / "run" / "best")
    names = tuple(load_library(tmp_path / "library" / "best").adapters)
    assert specializer.task_names == names
    network = TEXT_TO_LORA.load(tmp_path / "run" / "best")[1]
    by_hand = network(torch.tensor([[float(name == "task.red") for name in names]])).weights  # [1, tasks]
    generated = specializer.specialize("task.red").weights
    torch.testing.assert_close(generated[1, "q_proj"].A, by_hand["q_proj"].A[0, 1])
    with pytest.raises(ContextError, match=r"is not one of the 4 tasks .* by number; give the name of one"):
        specializer.specialize("Say red, whatever comes.")
    with pytest.raises(ContextError, match=r"embedder 'one_hot' .* is for runs of kind reconstruction"):
        start(task_config(tasks_path, hypernetwork={**SHAPE, "embedder": "one_hot"}), tmp_path / "other")


def test_an_epoch_of_a_library_has_every_lora_once_and_the_loss_is_the_published_one(tmp_path, tasks_path):
    train(lora_config(tasks_path, optimization={"learning_rate": 1e-2}), tmp_path / "library")
    document = {**RUN, "library": str(tmp_path / "library" / "best"), "target": "delta_w", "hypernetwork": SHAPE,
                "optimization": {"steps": 4}, "tasks_per_batch": 3, "task_order": "epochs",
                "head_bias": False}  # fmt: skip
    objective = start(ReconstructionTrainingConfig.model_validate(document), tmp_path / "run").objective
    assert all(head.bias is None for head in objective.hypernetwork.heads.values())
    objective.hypernetwork.eval()
    losses = [objective.loss(batch).loss.item() for batch in (0, 1)]  # three LoRAs, then the one that is left
    library = load_library(tmp_path / "library" / "best")
    expected = []
    for task, adapter in library.adapters.items():
        generated = objective.hypernetwork(objective.embeddings[library.descriptions[task][0]].unsqueeze(0)).weights
        errors = []
        for module, stack in generated.items():
            wanted = torch.stack(
                [adapter.weights[layer, module].B @ adapter.weights[layer, module].A for layer in (0, 1)]
            )
            errors.append((1e4 * (stack.B[0] @ stack.A[0] - wanted)).abs().mean())  # mean absolute error of B A
        expected.append(torch.stack(errors).mean().item())
    # One description a task would be needed to know which was drawn; the heads do not depend on it by much.
    assert (3 * losses[0] + losses[1]) / 4 == pytest.approx(sum(expected) / 4, rel=0.02)
