"""Convert the config of a Perceiver run to the config of the network that it trains."""

from __future__ import annotations

from typing import Any

from lorify.base.model import BaseLM
from lorify.contexts.encoders.encoding import ContextEncoder, context_affixes
from lorify.contexts.encoders.patches import PatchGrid
from lorify.errors import ConfigError
from lorify.hypernets.adapted_modules import adapted_modules
from lorify.hypernets.doc_to_lora.config import ContextEncoderConfig, PerceiverConfig
from lorify.hypernets.doc_to_lora.training_config import PerceiverTrainingConfig


def build_hypernetwork_config(
    config: PerceiverTrainingConfig, base: BaseLM, encoder: ContextEncoder
) -> PerceiverConfig:
    """Build the config of the hypernetwork that a run trains, for its base and its context encoder.

    Raises:
        ConfigError: if the base lacks blocks that the run adapts.
    """
    settings = config.hypernetwork
    tokenizer = encoder.tokenizer
    prefix, suffix = ((), ()) if tokenizer is None else context_affixes(tokenizer, system_turn=settings.system_turn)
    layers = adapted_layer_range(config, base.num_layers)
    return PerceiverConfig(
        base_name=base.name,
        base_digest=base.digest,
        encoder=ContextEncoderConfig(
            kind=settings.encoder,
            model_name=settings.encoder_model,
            num_layers=num_encoder_layers(config, encoder.num_layers, len(layers)),
            feature_size=encoder.feature_size,
            patches=patch_grid(config),
            quantized=settings.quantized_encoder,
            prefix_ids=prefix,
            suffix_ids=suffix,
        ),
        num_layers=len(layers),
        modules=adapted_modules(base, layers, sorted(settings.modules)),
        **perceiver_fields(config, encoder.window_tokens),
    )


def adapted_layer_range(config: PerceiverTrainingConfig, num_layers: int) -> range:
    """Return the blocks of the base that a run adapts.

    Raises:
        ConfigError: if the base lacks one of them, or there are none.
    """
    settings = config.hypernetwork
    last = num_layers - 1 if settings.last_layer is None else settings.last_layer
    if not settings.first_layer <= last < num_layers:
        raise ConfigError(
            f"hypernetwork: blocks {settings.first_layer} to {last} cannot be adapted; base {config.base} has 0 to "
            f"{num_layers - 1}"
        )
    return range(settings.first_layer, last + 1)


def patch_grid(config: PerceiverTrainingConfig) -> PatchGrid | None:
    """Return how images are cut into patches; None unless patches are the features."""
    return config.hypernetwork.patches if config.hypernetwork.encoder == "patches" else None


def num_encoder_layers(config: PerceiverTrainingConfig, of_encoder: int, num_adapted: int) -> int:
    """Return the number of the encoder's blocks to run or read: as configured, or else as published.

    Args:
        config: the run.
        of_encoder: number of blocks that the context encoder has.
        num_adapted: number of adapted blocks of the base.
    """
    settings = config.hypernetwork
    if settings.encoder_layers is not None:
        return settings.encoder_layers
    return {"per_layer_activations": num_adapted, "early_exit": of_encoder // 4, "embeddings": 0, "patches": 0}[
        settings.encoder
    ]


def perceiver_fields(config: PerceiverTrainingConfig, window_tokens: int) -> dict[str, Any]:
    """Return the fields shared by the run's and the network's config; the scaling is the published `2 r^1.5`.

    Args:
        config: the run.
        window_tokens: window of the context encoder, which is the longest chunk if the config does not set one.
    """
    settings = config.hypernetwork
    names = set(type(settings).model_fields) & set(PerceiverConfig.model_fields) - {"encoder", "patches", "modules"}
    shared = {"scaling": 2 * settings.rank**1.5, **{name: getattr(settings, name) for name in names}}
    return shared | {"chunk_tokens": settings.chunk_tokens or window_tokens}
