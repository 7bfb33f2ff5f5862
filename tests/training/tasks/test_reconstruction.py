import math

import pytest
import torch
from tiny import tiny_base
from training.small_tasks import RUN, SHAPE, assert_same_weights, lora_config, start, task_config, train

from lorify.errors import TrainingError
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
            "optimization": {"steps": 60, "learning_rate": 1e-2, "warmup_steps": 1},
            "evaluate_every": 60,
            "checkpoint_every": 60,
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
