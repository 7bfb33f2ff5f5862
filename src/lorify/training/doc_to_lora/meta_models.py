"""The hypernetwork of a Perceiver run without memory for its weights (on PyTorch's meta device)."""

from __future__ import annotations

import torch
from pydantic import ValidationError

from lorify.errors import ConfigError
from lorify.hypernets.doc_to_lora.config import ContextEncoderConfig, PerceiverConfig
from lorify.hypernets.doc_to_lora.network import PerceiverHypernetwork
from lorify.hypernets.doc_to_lora.training_config import PerceiverTrainingConfig
from lorify.hypernets.training_config import describe_problems
from lorify.training.doc_to_lora.hypernetwork_config import (
    adapted_layer_range,
    num_encoder_layers,
    patch_grid,
    perceiver_fields,
)
from lorify.training.engine.meta_base import MetaModel


def meta_hypernetwork(hypernetwork_config: PerceiverConfig) -> PerceiverHypernetwork:
    """Build a hypernetwork on the meta device."""
    with torch.device("meta"):
        return PerceiverHypernetwork(hypernetwork_config)


def hypernetwork_config_of(config: PerceiverTrainingConfig, base: MetaModel, encoder: MetaModel) -> PerceiverConfig:
    """Build the config of the hypernetwork that a run trains, as `build_hypernetwork_config` does.

    Raises:
        ConfigError: if the base lacks a module or block that the run adapts, or the fields contradict each other.
    """
    settings, num_layers = config.hypernetwork, int(base.architecture.num_hidden_layers)
    layers, grid = adapted_layer_range(config, num_layers), patch_grid(config)
    modules = tuple(sorted(base.adapted_modules(config.hypernetwork.modules), key=lambda module: module.name))
    num_encoder_blocks = int(encoder.architecture.num_hidden_layers)
    try:
        return PerceiverConfig(
            base_name=config.base,
            base_digest="",
            encoder=ContextEncoderConfig(
                kind=settings.encoder,
                num_layers=num_encoder_layers(config, num_encoder_blocks, len(layers)),
                feature_size=grid.feature_size if grid else int(encoder.architecture.hidden_size),
                patches=grid,
            ),
            num_layers=len(layers),
            modules=modules,
            **perceiver_fields(config, int(encoder.architecture.max_position_embeddings)),
        )
    except ValidationError as error:
        raise ConfigError(f"hypernetwork: {describe_problems(error, PerceiverConfig)}") from error
