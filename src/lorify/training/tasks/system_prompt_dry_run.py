"""Estimates of what a run needs that trains a hypernetwork which replaces the system message, from its config alone."""

from __future__ import annotations

from dataclasses import replace

from lorify.contexts.description_encoder_files import BASE_EMBEDDER
from lorify.hypernets.system_prompt.training_config import SystemMessageTrainingConfig
from lorify.training.dry_run import DryRun
from lorify.training.tasks.dry_run import (
    ANSWER_SHARE,
    count_lora_parameters,
    embedding_size,
    estimate_from_cost,
    instance_shape,
    meta_task_base,
)

DESCRIPTION_TOKENS = 20
"""Usual length of a description."""


def dry_run_system_message(config: SystemMessageTrainingConfig, *, answer_share: float = ANSWER_SHARE) -> DryRun:
    """Estimate the parameters, memory and time of a run.

    Of the block that descriptions are written into only the output needs a gradient, so it is counted as a block below
    the adapted ones.

    Args:
        config: the run.
        answer_share: share of an instance's tokens that are its answer.

    Raises:
        ConfigError: if the base lacks a module, or the config of the description encoder cannot be read.
        TrainingError: if no block of the base is adapted.
        BaseModelError: if the config of the base cannot be read.
    """
    base, settings = meta_task_base(config.base), config.hypernetwork
    shape = instance_shape(config.data, settings, base, config.base, answer_share)
    soft_tokens = settings.embedded_slots * embedding_size(settings.embedder, base) * int(base.architecture.hidden_size)
    adapted = range(min(settings.written_layer + 1, shape.layers[0]), len(base.blocks))
    cost = base.step_cost(replace(shape, shared=True, layers=adapted))
    # The base reads descriptions up to the written block, and if it is the embedder, once more and to the end.
    read_blocks = settings.written_layer + 1 + len(base.blocks) * (settings.embedder == BASE_EMBEDDER)
    reading = base.block_flops(read_blocks, shape.rows * DESCRIPTION_TOKENS)
    trained = count_lora_parameters(shape) + soft_tokens
    return estimate_from_cost(config, base, trained, replace(cost, flops=cost.flops + reading))
