"""Small runs that learn from tasks, on the tiny base."""

from contextlib import contextmanager
from pathlib import Path

import torch
from tiny import tiny_base

from lorify.data.tasks.schema import Instance, Task
from lorify.hypernets.system_prompt.training_config import SystemMessageTrainingConfig
from lorify.hypernets.text_to_lora.training_config import LoraTrainingConfig, TaskTrainingConfig
from lorify.hypernets.training_data import TaskData
from lorify.training.engine.loop import Trainer, TrainingProgress
from lorify.training.preparation import Preparation
from lorify.training.registry import find_training_kind
from lorify.training.tasks.batches import TaskSampler

SHAPE = {"modules": ["q_proj", "down_proj"], "rank": 2, "embedder": "base", "latent_size": 16, "head_input_size": 16}
DATA = {"suite": False, "tasks_per_batch": 3, "instances_per_description": 2, "heldout_family_share": 0.0}
RUN = {"base": "tiny", "evaluate_every": 2, "evaluation_batches": 1, "checkpoint_every": 1}
SCHEDULE = {"steps": 4, "warmup_steps": 1, "bf16": False}
PLACED = {"written_layer": 0, "first_layer": 1, "rank": 4, "embedder": "base"}


def echo_task(name: str, answer: str, family: str) -> dict:
    instances = [
        {"input": f"say {word}", "outputs": [answer]} for word in ("one", "two", "three", "four", "five", "six")
    ]
    descriptions = [f"{how} {answer}, whatever comes." for how in ("Say", "Answer", "Reply", "Write")]
    return {"name": name, "definition": f"Say {answer}.", "descriptions": descriptions, "instances": instances,
            "family": family, "metric": "exact"}  # fmt: skip


@contextmanager
def silent(_what: str, _unit: str):
    yield lambda _done, _total: None


def start(config, run_dir: Path) -> Trainer:
    base = tiny_base(system_message=config.kind == "system_message")
    objective = find_training_kind(config.kind).prepare(config, Preparation(run_dir, lambda _name: base, silent))
    return Trainer(config, objective, run_dir)


def train(config, run_dir: Path, stops: tuple[int | None, ...] = (None,)) -> tuple[Trainer, list[TrainingProgress]]:
    seen: list[TrainingProgress] = []
    for stop in stops:
        trainer = start(config, run_dir)
        trainer.run(seen.append, stop_at=stop)
    return trainer, seen


def task_config(tasks_path: Path, **changes) -> TaskTrainingConfig:
    document = {
        **RUN,
        "hypernetwork": changes.pop("hypernetwork", SHAPE),
        "data": DATA | {"tasks_path": str(tasks_path)} | changes.pop("data", {}),
        "optimization": SCHEDULE | changes.pop("optimization", {}),
        **changes,
    }
    return TaskTrainingConfig.model_validate(document)


def lora_config(tasks_path: Path, **changes) -> LoraTrainingConfig:
    lora = {key: SHAPE[key] for key in ("modules", "rank")}
    document = {**RUN, "lora": lora, "data": DATA | {"tasks_path": str(tasks_path)},
                "optimization": SCHEDULE | changes.pop("optimization", {}), **changes}  # fmt: skip
    return LoraTrainingConfig.model_validate(document)


def system_message_config(tasks_path: Path, **changes) -> SystemMessageTrainingConfig:
    document = {**RUN, "hypernetwork": PLACED,
                "data": DATA | {"tasks_path": str(tasks_path)},
                "optimization": SCHEDULE | changes.pop("optimization", {}), **changes}  # fmt: skip
    return SystemMessageTrainingConfig.model_validate(document)


def assert_same_weights(one: Trainer, other: Trainer) -> None:
    for name, tensor in one.objective.module.state_dict().items():
        torch.testing.assert_close(other.objective.module.state_dict()[name], tensor, rtol=0, atol=0)


def sampler(tasks, **changes) -> TaskSampler:
    heldout = changes.pop("heldout", False)
    data = TaskData.model_validate(DATA | {"suite": False} | changes)
    return TaskSampler(data, tiny_base(), tasks, seed=0, heldout=heldout)


def made_task(name: str, family: str, answer: str = "x") -> Task:
    instances = tuple(Instance(f"{name} {n}", (answer,)) for n in range(10))
    return Task(name, "d", (f"{name} a", f"{name} b", f"{name} c", f"{name} d"), instances, "exact", family, "test")
