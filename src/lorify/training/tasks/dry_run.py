"""Estimates of what runs that learn from tasks need, from their configs alone: no weights are loaded.

Parameter counts are exact. Memory and operations are those of the code itself, run on tensors without memory: of the
base for a batch of instances of full length, an eighth of which is the answer, and of the hypernetwork.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoConfig

from lorify.contexts.description_encoder_files import BASE_EMBEDDER, DEFAULT_EMBEDDER
from lorify.contexts.task_names import ONE_HOT_SETTING
from lorify.data.tasks.published.sni import sni_training_tasks
from lorify.errors import AdapterError, ConfigError
from lorify.hypernets.text_to_lora.config import SIZES, TaskConfig
from lorify.hypernets.text_to_lora.library import load_descriptions
from lorify.hypernets.text_to_lora.network import TaskHypernetwork
from lorify.hypernets.text_to_lora.training_config import (
    LoraTrainingConfig,
    ReconstructionTrainingConfig,
    TaskSettings,
    TaskTrainingConfig,
)
from lorify.hypernets.training_config import LoraSettings, TrainingConfig
from lorify.hypernets.training_data import TaskData
from lorify.training.dry_run import ACCELERATOR_FLOPS, UTILIZATION, DryRun
from lorify.training.engine.meta_base import MetaModel, StepShape, meta_model
from lorify.training.engine.peak_memory import Cost, measure_cost
from lorify.training.tasks.setup import adapted_layers, multi_task_fields, task_network_fields

FLOAT32_BYTES = 4
BFLOAT16_BYTES = 2
ANSWER_SHARE = 1 / 8
EMBEDDING_SIZES = {DEFAULT_EMBEDDER: 384, "Alibaba-NLP/gte-large-en-v1.5": 1024}
"""Sizes of the embeddings of known description encoders, so that nothing is fetched for them."""


def dry_run_task(config: TaskTrainingConfig, *, answer_share: float = ANSWER_SHARE) -> DryRun:
    """Estimate the parameters, memory and time of a run that trains a task hypernetwork through the base.

    Args:
        config: the run.
        answer_share: share of an instance's tokens that are its answer.

    Raises:
        ConfigError: if the base lacks a module, or the config of the description encoder cannot be read.
        TrainingError: if no block of the base is adapted.
        BaseModelError: if the config of the base cannot be read.
    """
    base = _task_base(config.base)
    size = _embedding_size(config.hypernetwork.embedder, base)
    task_config = _task_config(config, config.hypernetwork, base, size, **multi_task_fields(config))
    shape = _step_shape(config.data, config.hypernetwork, base, config.base, answer_share)
    network, generating = _network_cost(task_config, shape.adapters)
    answering = base.step_cost(shape)
    # What the hypernetwork's backward pass needs is kept while the base runs.
    activations = max(generating.kept_bytes + answering.peak_bytes, generating.peak_bytes)
    return _Parts(base, network.num_parameters, activations, answering.flops + generating.flops).dry_run(config)


def dry_run_lora(config: LoraTrainingConfig) -> DryRun:
    """Estimate the parameters, memory and time of a run that trains LoRAs.

    A library has the LoRAs of `data.max_tasks` tasks, of the published training tasks, or of the files in
    `data.tasks_path`.

    Raises:
        ConfigError: if the base lacks a module.
        TrainingError: if no block of the base is adapted.
        BaseModelError: if the config of the base cannot be read.
    """
    base = _task_base(config.base)
    shape = _step_shape(config.data, config.lora, base, config.base)
    trained = _lora_parameters(shape) * (1 if config.shared else _num_tasks(config.data))
    cost = base.step_cost(shape)
    return _Parts(base, trained, cost.peak_bytes, cost.flops).dry_run(config)


def dry_run_reconstruction(config: ReconstructionTrainingConfig) -> DryRun:
    """Estimate the parameters, memory and time of a run that reconstructs a library; the base is loaded but not run.

    A library that is not there yet counts as one of as many tasks as a batch has.

    Raises:
        ConfigError: if the base lacks a module, or the config of the description encoder cannot be read.
        TrainingError: if no block of the base is adapted.
        BaseModelError: if the config of the base cannot be read.
    """
    base = _task_base(config.base)
    num_tasks = config.tasks_per_batch
    if config.library is not None:
        try:
            num_tasks = len(load_descriptions(config.library))
        except AdapterError:  # the library of a recipe is often trained later
            pass
    embedder = config.hypernetwork.embedder
    size = num_tasks if embedder == ONE_HOT_SETTING else _embedding_size(embedder, base)
    standardized = config.target == "z_scores"
    fields = {"standardized": standardized, "hyper_init": False, "head_bias": bool(config.head_bias)}
    task_config = _task_config(config, config.hypernetwork, base, size, **fields)
    rows = min(config.tasks_per_batch, num_tasks)
    network, cost = _network_cost(task_config, rows)
    widths = sum(m.in_features + m.out_features for m in task_config.modules)
    library = FLOAT32_BYTES * num_tasks * len(task_config.layers) * task_config.rank * widths
    return _Parts(base, network.num_parameters, cost.peak_bytes + library, cost.flops).dry_run(config)


@dataclass(frozen=True)
class _Parts:
    """What an estimate is made of.

    Attributes:
        base: the frozen base.
        trained: number of trained parameters.
        activation_bytes: of one batch.
        batch_flops: operations of one batch.
    """

    base: MetaModel
    trained: int
    activation_bytes: int
    batch_flops: float

    def dry_run(self, config: TrainingConfig) -> DryRun:
        weights = BFLOAT16_BYTES * self.base.num_parameters
        state = 4 * FLOAT32_BYTES * self.trained  # weight, gradient and two moments
        flops = config.optimization.accumulation * self.batch_flops
        seconds = flops / (ACCELERATOR_FLOPS * UTILIZATION)
        return DryRun(
            base_parameters=self.base.num_parameters,
            hypernetwork_parameters=self.trained,
            weights_bytes=weights,
            training_state_bytes=state,
            activation_bytes=self.activation_bytes,
            training_bytes=weights + state + self.activation_bytes,
            generation_bytes=weights + FLOAT32_BYTES * self.trained,
            flops_a_step=flops,
            reading_seconds_a_step=0.0,  # all instances are read before the first step
            seconds_a_step=seconds,
            hours=seconds * config.optimization.steps / 3600,
            num_processes=1,
        )


def _task_base(name: str) -> MetaModel:
    # On a CPU such runs use eager attention (see `lorify.training.tasks.setup.load_task_base`).
    return meta_model(name, attention=None if torch.cuda.is_available() else "eager")


def _step_shape(
    data: TaskData, settings: LoraSettings, base: MetaModel, base_name: str, answer_share: float = ANSWER_SHARE
) -> StepShape:
    rows = data.tasks_per_batch * data.descriptions_per_task
    instances = data.instances_per_description
    if data.adapter_from == "prompt":
        rows, instances = rows * instances, 1
    tokens = data.max_instance_tokens * instances
    return StepShape(
        rows=rows,
        tokens=tokens,
        answers=max(1, round(answer_share * tokens)),
        adapters=rows,
        layers=adapted_layers(settings, len(base.blocks), base_name),
        modules=base.adapted_modules(settings.modules),
        rank=settings.rank,
    )


def _network_cost(config: TaskConfig, rows: int) -> tuple[TaskHypernetwork, Cost]:
    """A task hypernetwork on the meta device, and the cost of its forward and backward pass for some descriptions."""
    with torch.device("meta"):
        networks = [TaskHypernetwork(config) for _ in range(3)]  # a measurement changes one

    def run(network: TaskHypernetwork, *, backward: bool) -> object:
        with torch.enable_grad():
            weights = network(torch.zeros(rows, config.embedding_size)).weights
            size = torch.stack([s.A.square().mean() + s.B.square().mean() for s in weights.values()]).sum()
        if backward:
            size.backward()
        return weights, size

    network, forward, both = networks
    kept = measure_cost(lambda: run(forward, backward=False), (forward,)).kept_bytes
    whole = measure_cost(lambda: run(both, backward=True), (both,))
    return network, Cost(whole.peak_bytes, kept, whole.flops)


def _task_config(
    config: TrainingConfig, settings: TaskSettings, base: MetaModel, embedding_size: int, **fields: Any
) -> TaskConfig:
    return TaskConfig(
        base_name=config.base,
        base_digest="",
        embedder_name=settings.embedder,
        embedding_size=embedding_size,
        layers=adapted_layers(settings, len(base.blocks), config.base),
        modules=base.adapted_modules(settings.modules),
        **{**SIZES[settings.size], **task_network_fields(settings), **fields},
    )


def _lora_parameters(shape: StepShape) -> int:
    return sum(len(shape.layers) * shape.rank * (m.in_features + m.out_features) for m in shape.modules)


def _num_tasks(data: TaskData) -> int:
    if data.max_tasks is not None:
        return data.max_tasks
    if data.only_sni_training:
        return len(sni_training_tasks())
    files = [] if data.tasks_path is None else list(data.tasks_path.glob("*.json"))
    return max(1, len(files))


def _embedding_size(embedder: str, base: MetaModel) -> int:
    if embedder == BASE_EMBEDDER:
        return int(base.architecture.hidden_size)
    if embedder in EMBEDDING_SIZES:
        return EMBEDDING_SIZES[embedder]
    try:
        return int(AutoConfig.from_pretrained(embedder).hidden_size)
    except Exception as error:  # transformers raises all kinds of exceptions on damaged or unknown configs
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise ConfigError(
            f"config of description encoder {embedder!r} cannot be read ({reason}); connect to a network, or give a "
            "folder with its config.json"
        ) from error
