"""Estimates of what a run of kind task needs, from its config alone: no weights are loaded.

Parameter counts are exact. The memory of the base in training is that of the code itself, run on tensors without memory
for a batch of instances of full length, an eighth of which is the answer.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig

from lorify.contexts.description_encoder_files import BASE_EMBEDDER, DEFAULT_EMBEDDER
from lorify.errors import ConfigError
from lorify.hypernets.text_to_lora.config import SIZES, TaskConfig
from lorify.hypernets.text_to_lora.network import TaskHypernetwork
from lorify.hypernets.text_to_lora.training_config import TaskTrainingConfig
from lorify.training.dry_run import ACCELERATOR_FLOPS, UTILIZATION, DryRun
from lorify.training.engine.meta_base import MetaModel, StepShape, meta_model
from lorify.training.tasks.setup import adapted_layers, multi_task_fields, task_network_fields

FLOAT32_BYTES = 4
BFLOAT16_BYTES = 2
ANSWER_SHARE = 1 / 8
EMBEDDING_SIZES = {DEFAULT_EMBEDDER: 384, "Alibaba-NLP/gte-large-en-v1.5": 1024}
"""Sizes of the embeddings of known description encoders, so that nothing is fetched for them."""


def dry_run_task(config: TaskTrainingConfig) -> DryRun:
    """Estimate the parameters, memory and time of a run.

    Raises:
        ConfigError: if the base lacks a module, or the config of the description encoder cannot be read.
        TrainingError: if no block of the base is adapted.
        BaseModelError: if the config of the base cannot be read.
    """
    # On a CPU such runs use eager attention (see `lorify.training.tasks.setup.load_task_base`).
    base = meta_model(config.base, attention=None if torch.cuda.is_available() else "eager")
    task_config = _task_config(config, base)
    with torch.device("meta"):
        network = TaskHypernetwork(task_config)
    trained = network.num_parameters
    shape = _step_shape(config, task_config)
    widths = sum(m.in_features + m.out_features for m in task_config.modules)
    generated = shape.adapters * len(task_config.layers) * task_config.rank * widths
    weights = BFLOAT16_BYTES * base.num_parameters
    state = 4 * FLOAT32_BYTES * trained  # weight, gradient and two moments
    # Of the generated numbers the heads' outputs, their scaled form and both gradients are kept.
    activations = base.step_bytes(shape) + 2 * FLOAT32_BYTES * generated
    tokens = shape.rows * shape.tokens
    # Gradients flow through the frozen base, but none is computed for its weights.
    flops = config.optimization.accumulation * (
        4.0 * base.num_parameters * tokens + 6.0 * _head_operations(network, shape)
    )
    seconds = flops / (ACCELERATOR_FLOPS * UTILIZATION)
    return DryRun(
        base_parameters=base.num_parameters,
        hypernetwork_parameters=trained,
        weights_bytes=weights,
        training_state_bytes=state,
        activation_bytes=activations,
        training_bytes=weights + state + activations,
        generation_bytes=weights + FLOAT32_BYTES * (trained + generated // max(1, shape.adapters)),
        flops_a_step=flops,
        reading_seconds_a_step=0.0,  # all instances are read before the first step
        seconds_a_step=seconds,
        hours=seconds * config.optimization.steps / 3600,
        num_processes=1,
    )


def _step_shape(config: TaskTrainingConfig, task_config: TaskConfig) -> StepShape:
    data = config.data
    rows = data.tasks_per_batch * data.descriptions_per_task
    instances = data.instances_per_description
    if data.adapter_from == "prompt":
        rows, instances = rows * instances, 1
    tokens = data.max_instance_tokens * instances
    return StepShape(
        rows=rows,
        tokens=tokens,
        answers=max(1, int(ANSWER_SHARE * tokens)),
        adapters=rows,
        layers=task_config.layers,
        modules=task_config.modules,
        rank=task_config.rank,
    )


def _head_operations(network: TaskHypernetwork, shape: StepShape) -> float:
    """Multiplications of the hypernetwork for a batch: its heads run once for each row and block."""
    return float(network.num_parameters) * shape.adapters * len(shape.layers)


def _task_config(config: TaskTrainingConfig, base: MetaModel) -> TaskConfig:
    settings = config.hypernetwork
    fields: dict[str, Any] = {**SIZES[settings.size], **task_network_fields(settings), **multi_task_fields(config)}
    return TaskConfig(
        base_name=config.base,
        base_digest="",
        embedder_name=settings.embedder,
        embedding_size=_embedding_size(settings.embedder, base),
        layers=adapted_layers(settings, len(base.blocks), config.base),
        modules=base.adapted_modules(settings.modules),
        **fields,
    )


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
