"""Estimate what runs that learn from tasks need from their configs alone; no weights are loaded.

Parameter counts are exact. Memory and operations are measured by running the code itself on tensors without memory: the
base on a batch of instances of full length, an eighth of which is the answer, and the hypernetwork.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig

from lorify.contexts.descriptions.encoder_files import BASE_EMBEDDER, DEFAULT_EMBEDDER
from lorify.contexts.descriptions.task_names import ONE_HOT_SETTING
from lorify.data.tasks.published.sni import sni_training_tasks
from lorify.errors import AdapterError, ConfigError, first_line
from lorify.hypernets.text_to_lora.config import SIZES, TaskConfig
from lorify.hypernets.text_to_lora.library import load_descriptions
from lorify.hypernets.text_to_lora.lora_table import LoraStack
from lorify.hypernets.text_to_lora.network import GeneratedLoras, TaskHypernetwork
from lorify.hypernets.text_to_lora.training_config import (
    LoraTrainingConfig,
    ReconstructionTrainingConfig,
    TaskSettings,
    TaskTrainingConfig,
)
from lorify.hypernets.training_config import LoraSettings, TrainingConfig
from lorify.hypernets.training_data import TaskData
from lorify.training.dry_run import FLOAT32_BYTES, DryRun, estimate_run
from lorify.training.engine.meta_base import MetaModel, StepShape, meta_model
from lorify.training.engine.peak_memory import Cost, measure_cost
from lorify.training.tasks.reconstruction import reconstruction_loss
from lorify.training.tasks.setup import adapted_layers, multi_task_fields, task_network_fields

ANSWER_SHARE = 1 / 8
EMBEDDING_SIZES = {DEFAULT_EMBEDDER: 384, "Alibaba-NLP/gte-large-en-v1.5": 1024}
"""Embedding sizes of known description encoders, so that nothing is fetched for them."""


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
    base = meta_task_base(config.base)
    size = embedding_size(config.hypernetwork.embedder, base)
    task_config = _task_config(config, config.hypernetwork, base, size, **multi_task_fields(config))
    shape = instance_shape(config.data, config.hypernetwork, base, config.base, answer_share)
    network, generating = _network_cost(task_config, shape.adapters)
    answering = base.step_cost(shape)
    # The hypernetwork's activations are kept for its backward pass while the base runs.
    activations = max(generating.kept_bytes + answering.peak_bytes, generating.peak_bytes)
    flops = answering.flops + generating.flops
    return estimate_from_cost(
        config, base, network.num_parameters, replace(answering, peak_bytes=activations, flops=flops)
    )


def dry_run_lora(config: LoraTrainingConfig, *, answer_share: float = ANSWER_SHARE) -> DryRun:
    """Estimate the parameters, memory and time of a run that trains LoRAs.

    A library has the LoRAs of `data.max_tasks` tasks, of the published training tasks, or of the files in
    `data.tasks_path`.

    Args:
        config: the run.
        answer_share: share of an instance's tokens that are its answer.

    Raises:
        ConfigError: if the base lacks a module.
        TrainingError: if no block of the base is adapted.
        BaseModelError: if the config of the base cannot be read.
    """
    base = meta_task_base(config.base)
    shape = instance_shape(config.data, config.lora, base, config.base, answer_share)
    trained = count_lora_parameters(shape) * (1 if config.shared else _num_tasks(config.data))
    cost = base.step_cost(shape)
    return estimate_from_cost(config, base, trained, cost)


def dry_run_reconstruction(config: ReconstructionTrainingConfig) -> DryRun:
    """Estimate the parameters, memory and time of a run that reconstructs a library; the base is loaded but not run.

    A library that does not exist yet is assumed to have as many tasks as a batch.

    Raises:
        ConfigError: if the base lacks a module, or the config of the description encoder cannot be read.
        TrainingError: if no block of the base is adapted.
        BaseModelError: if the config of the base cannot be read.
    """
    base = meta_task_base(config.base)
    num_tasks = config.tasks_per_batch
    if config.library is not None:
        try:
            num_tasks = len(load_descriptions(config.library))
        except AdapterError:  # in a recipe, the library is often trained later
            pass
    embedder = config.hypernetwork.embedder
    size = num_tasks if embedder == ONE_HOT_SETTING else embedding_size(embedder, base)
    standardized = config.target == "z_scores"
    head_bias = not standardized if config.head_bias is None else config.head_bias
    fields = {"standardized": standardized, "hyper_init": False, "head_bias": head_bias}
    task_config = _task_config(config, config.hypernetwork, base, size, **fields)
    rows = min(config.tasks_per_batch, num_tasks)

    def loss(generated: GeneratedLoras) -> Tensor:
        weights = generated.weights
        targets = {name: LoraStack(torch.zeros_like(w.A), torch.zeros_like(w.B)) for name, w in weights.items()}
        deviations = {
            name: LoraStack(torch.zeros_like(w.A[0]), torch.zeros_like(w.B[0])) for name, w in weights.items()
        }
        return reconstruction_loss(config, weights, targets, deviations)[0]

    network, cost = _network_cost(task_config, rows, loss)
    widths = sum(m.in_features + m.out_features for m in task_config.modules)
    library = FLOAT32_BYTES * num_tasks * len(task_config.layers) * task_config.rank * widths
    return estimate_from_cost(config, base, network.num_parameters, replace(cost, peak_bytes=cost.peak_bytes + library))


def estimate_from_cost(config: TrainingConfig, base: MetaModel, trained: int, cost: Cost, *, frozen: int = 0) -> DryRun:
    """Build the estimate of a run from the cost of a batch.

    Args:
        config: the run.
        base: its base.
        trained: number of trained parameters.
        cost: cost of a batch.
        frozen: number of untrained parameters of the hypernetwork.
    """
    return estimate_run(
        config,
        base_parameters=base.num_parameters,
        trained=trained,
        activation_bytes=cost.peak_bytes,
        batch_flops=cost.flops,
        frozen_parameters=frozen,
    )


def meta_task_base(name: str) -> MetaModel:
    """Build a base on the meta device, prepared for short rows.

    Raises:
        BaseModelError: if its config cannot be read.
    """
    # On a CPU such runs use eager attention (see `lorify.training.tasks.setup.load_task_base`).
    return meta_model(name, attention=None if torch.cuda.is_available() else "eager")


def instance_shape(
    data: TaskData, settings: LoraSettings, base: MetaModel, base_name: str, answer_share: float = ANSWER_SHARE
) -> StepShape:
    """Return the shape of a batch of instances of full length.

    Args:
        data: the batch.
        settings: the adapted modules and blocks.
        base: the base.
        base_name: its name, for errors.
        answer_share: share of an instance's tokens that are its answer.

    Raises:
        ConfigError: if the base lacks a module.
        TrainingError: if no block is adapted.
    """
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


def _mean_square(generated: GeneratedLoras) -> Tensor:
    """Return the mean square of A and B, summed over modules."""
    return torch.stack([w.A.square().mean() + w.B.square().mean() for w in generated.weights.values()]).sum()


def _network_cost(
    config: TaskConfig, rows: int, loss: Callable[[GeneratedLoras], Tensor] = _mean_square
) -> tuple[TaskHypernetwork, Cost]:
    """A task hypernetwork on the meta device, and the cost of its forward and backward pass for some descriptions."""
    with torch.device("meta"):
        networks = [TaskHypernetwork(config) for _ in range(3)]  # a measurement changes one

    def run(network: TaskHypernetwork, *, backward: bool) -> object:
        with torch.enable_grad():
            of_weights = loss(network(torch.zeros(rows, config.embedding_size)))
        if backward:
            of_weights.backward()
        return of_weights

    network, forward, both = networks
    kept = measure_cost(lambda: run(forward, backward=False), (forward,)).kept_bytes
    whole = measure_cost(lambda: run(both, backward=True), (both,))
    return network, Cost(whole.peak_bytes, kept, whole.flops)


def _task_config(
    config: TrainingConfig, settings: TaskSettings, base: MetaModel, size: int, **fields: Any
) -> TaskConfig:
    return TaskConfig(
        base_name=config.base,
        base_digest="",
        embedder_name=settings.embedder,
        embedding_size=size,
        layers=adapted_layers(settings, len(base.blocks), config.base),
        modules=base.adapted_modules(settings.modules),
        **{**SIZES[settings.size], **task_network_fields(settings), **fields},
    )


def count_lora_parameters(shape: StepShape) -> int:
    """Count the parameters of one LoRA."""
    return sum(len(shape.layers) * shape.rank * (m.in_features + m.out_features) for m in shape.modules)


def _num_tasks(data: TaskData) -> int:
    if data.max_tasks is not None:
        return data.max_tasks
    if data.only_sni_training:
        return len(sni_training_tasks())
    files = [] if data.tasks_path is None else list(data.tasks_path.glob("*.json"))
    return max(1, len(files))


def embedding_size(embedder: str, base: MetaModel) -> int:
    """Return the size of a description encoder's embeddings.

    Raises:
        ConfigError: if its config cannot be read.
    """
    if embedder == BASE_EMBEDDER:
        return int(base.architecture.hidden_size)
    if embedder in EMBEDDING_SIZES:
        return EMBEDDING_SIZES[embedder]
    try:
        return int(AutoConfig.from_pretrained(embedder).hidden_size)
    except Exception as error:  # transformers raises all kinds of exceptions on damaged or unknown configs
        reason = first_line(error)[:160]
        raise ConfigError(
            f"config of description encoder {embedder!r} cannot be read ({reason}); connect to a network, or give a "
            "folder with its config.json"
        ) from error
