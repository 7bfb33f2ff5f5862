"""Base and hypernetwork of a Perceiver run without memory for their weights (on PyTorch's meta device).

Nothing is fetched for the bases of the paper: the shapes in `architectures.json` are enough.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import torch
from pydantic import ValidationError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    PreTrainedConfig,
    PreTrainedModel,
)

from lorify.base.files import resolve_base
from lorify.base.structure import find_blocks
from lorify.contexts.vision import is_vision_language
from lorify.errors import ConfigError
from lorify.hypernets.adapted_modules import AdaptedModule
from lorify.hypernets.doc_to_lora.config import ContextEncoderConfig, PerceiverConfig
from lorify.hypernets.doc_to_lora.network import PerceiverHypernetwork
from lorify.hypernets.doc_to_lora.training_config import PerceiverTrainingConfig
from lorify.hypernets.training_config import describe_problems
from lorify.training.doc_to_lora.hypernetwork_config import (
    adapted_layers,
    num_encoder_layers,
    patch_grid,
    shared_fields,
)

ARCHITECTURES_PATH = Path(__file__).parent / "architectures.json"


@dataclass(frozen=True)
class MetaModel:
    """A model whose weights have shapes but no memory."""

    module: nn.Module

    @cached_property
    def num_parameters(self) -> int:
        """Number of its parameters."""
        return count_parameters(self.module)

    @property
    def architecture(self) -> PreTrainedConfig:
        """Config of its language model."""
        return cast(PreTrainedConfig, self.module.config).get_text_config()

    @property
    def blocks(self) -> list[nn.Module]:
        """Its transformer blocks."""
        return find_blocks(cast(PreTrainedModel, self.module), self.architecture.model_type)[1]


def count_parameters(module: nn.Module) -> int:
    """Count the parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())


def meta_model(name: str) -> MetaModel:
    """Build a base model on the meta device.

    Raises:
        LorifyError: if it is not one of the paper's bases and its config cannot be read.
    """
    known = json.loads(ARCHITECTURES_PATH.read_text(encoding="utf-8"))
    if name in known:
        fields = dict(known[name])
        architecture = AutoConfig.for_model(fields.pop("model_type"), **fields)
    else:
        architecture = cast(PreTrainedConfig, AutoConfig.from_pretrained(resolve_base(name)))
    has_vision = is_vision_language((architecture.architectures or [""])[0])
    loader = AutoModelForImageTextToText if has_vision else AutoModelForCausalLM
    with torch.device("meta"):
        return MetaModel(cast(nn.Module, loader.from_config(architecture, dtype=torch.bfloat16)))


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
    layers, grid = adapted_layers(config, num_layers), patch_grid(config)
    modules = _adapted_modules(config, base)
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
            **shared_fields(config, int(encoder.architecture.max_position_embeddings)),
        )
    except ValidationError as error:
        raise ConfigError(f"hypernetwork: {describe_problems(error)}") from error


def _adapted_modules(config: PerceiverTrainingConfig, base: MetaModel) -> tuple[AdaptedModule, ...]:
    linears = {name.rpartition(".")[2]: m for name, m in base.blocks[0].named_modules() if isinstance(m, nn.Linear)}
    missing = [name for name in config.hypernetwork.modules if name not in linears]
    if missing:
        raise ConfigError(
            f"hypernetwork.modules: base {config.base} has no {missing[0]!r}; it has {', '.join(sorted(linears))}"
        )
    return tuple(
        AdaptedModule(name=name, in_features=linears[name].in_features, out_features=linears[name].out_features)
        for name in sorted(config.hypernetwork.modules)
    )
