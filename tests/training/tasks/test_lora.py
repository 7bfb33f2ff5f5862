import pytest
import torch
from tiny import tiny_base
from training.small_tasks import DATA, SHAPE, lora_config, start, train

from lorify.contexts.descriptions.encoding import BaseEncoder
from lorify.errors import AdapterError
from lorify.hypernets.text_to_lora.library import Library, load_library, save_library
from lorify.hypernets.text_to_lora.network import build_task_hypernetwork
from lorify.hypernets.text_to_lora.specializer import EmbeddingSpecializer
from lorify.hypernets.text_to_lora.training_config import TaskTrainingConfig
from lorify.training.tasks.setup import build_task_config


def test_a_batch_changes_only_the_loras_of_its_tasks(tmp_path, tasks_path):
    config = lora_config(tasks_path, data=DATA | {"tasks_path": str(tasks_path), "tasks_per_batch": 1})
    trainer = start(config, tmp_path / "run")
    before = {name: p.clone() for name, p in trainer.objective.module.state_dict().items()}
    trainer.run(lambda _: None, stop_at=1)
    moved = {
        name.split(".")[0]
        for name, p in trainer.objective.module.state_dict().items()
        if not torch.equal(p, before[name])
    }
    assert len(moved) == 1


def tiny_adapter():
    config = TaskTrainingConfig.model_validate({"hypernetwork": SHAPE | {"rank": 1}})
    base = tiny_base()
    hypernetwork_config = build_task_config(config.hypernetwork, base, BaseEncoder(base))
    return EmbeddingSpecializer(
        base, hypernetwork_config, build_task_hypernetwork(hypernetwork_config).eval(), BaseEncoder(base), "h", "0" * 64
    ).specialize("x")


def test_a_damaged_library_is_named(tmp_path, tasks_path):
    train(lora_config(tasks_path), tmp_path / "run")
    folder = tmp_path / "run" / "best"
    library = load_library(folder)
    odd = {**library.adapters, "task.red": tiny_adapter()}
    save_library(Library(odd, library.descriptions), tmp_path / "odd")
    with pytest.raises(AdapterError, match="different bases, layers or ranks"):
        load_library(tmp_path / "odd")
    (folder / "library.json").write_text("{}")
    with pytest.raises(AdapterError, match=r"library\.json is damaged"):
        load_library(folder)
    with pytest.raises(AdapterError, match=r"library\.json is missing"):
        load_library(tmp_path)
