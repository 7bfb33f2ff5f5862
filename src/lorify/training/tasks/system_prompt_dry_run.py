"""Estimate what a run that trains a system message hypernetwork needs from its config alone."""

from __future__ import annotations

import math
from dataclasses import replace

from lorify.contexts.descriptions.encoder_files import BASE_EMBEDDER
from lorify.errors import ConfigError
from lorify.hypernets.system_prompt.config import overwritten_layers
from lorify.hypernets.system_prompt.key_values import KEY_MODULE, VALUE_MODULE, writer_shapes
from lorify.hypernets.system_prompt.network import WRITTEN_MODULE
from lorify.hypernets.system_prompt.training_config import SystemMessageTrainingConfig
from lorify.training.dry_run import DryRun
from lorify.training.engine.meta_base import MetaModel
from lorify.training.tasks.dry_run import (
    ANSWER_SHARE,
    count_lora_parameters,
    embedding_size,
    estimate_from_cost,
    instance_shape,
    meta_task_base,
)

DESCRIPTION_TOKENS = 20
"""Typical length of a description in tokens."""
NUM_SLOTS = 20
"""Typical length of a system message in tokens; the actual length would need the base's tokenizer."""


def dry_run_system_message(config: SystemMessageTrainingConfig, *, answer_share: float = ANSWER_SHARE) -> DryRun:
    """Estimate the parameters, memory and time of a run.

    Only the output of the block that descriptions are written into needs a gradient, so it is counted as a block below
    the adapted ones. Weights solved in closed form count as untrained; the time to solve for them is not estimated.

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
    cost = replace(cost, flops=cost.flops + reading)
    return estimate_from_cost(config, base, trained, cost, frozen=_count_solved(base, settings.written_layer))


def _count_solved(base: MetaModel, written_layer: int) -> int:
    """Count the weights that are solved for: the rows for the slots, and the writer of keys and values."""
    (written,) = base.adapted_modules((WRITTEN_MODULE,))
    rows = NUM_SLOTS * written.in_features
    try:
        keys, values = base.adapted_modules((KEY_MODULE, VALUE_MODULE))
    except ConfigError:  # a base with another kind of attention has no such writer
        return rows
    shapes = writer_shapes(
        NUM_SLOTS,
        num_neurons=written.in_features,
        hidden_size=written.out_features,
        num_blocks=len(overwritten_layers(written_layer, len(base.blocks))),
        keys_size=keys.out_features,
        values_size=values.out_features,
    )
    return rows + sum(map(math.prod, shapes.values()))
