"""Generate LoRA weights from chunks of a context, through the context encoder and the hypernetwork."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lorify.base.model import BaseLM
from lorify.contexts.encoders.encoding import Chunk, ContextEncoder
from lorify.contexts.encoders.loading import load_encoder
from lorify.errors import HypernetworkError
from lorify.hypernets.doc_to_lora.config import ContextEncoderConfig, PerceiverConfig
from lorify.hypernets.doc_to_lora.network import GeneratedLora, PerceiverHypernetwork


@torch.no_grad()
def generate_weights(
    hypernetwork: PerceiverHypernetwork,
    config: PerceiverConfig,
    encoder: ContextEncoder,
    chunks: Sequence[Chunk],
    *,
    iterative: bool,
) -> dict[str, GeneratedLora]:
    """Generate LoRA weights of chunks.

    Args:
        hypernetwork: the hypernetwork.
        config: its config.
        encoder: its context encoder.
        chunks: texts with their affixes, or images.
        iterative: see `PerceiverHypernetwork.forward`.

    Returns:
        Module name -> weights, with one row of the batch for each chunk.
    """
    wanted = config.encoder
    encoded = encoder.encode(chunks, kind=wanted.kind, num_layers=wanted.num_layers)
    # As published, the Perceiver works in the precision of the base, and the heads in float32.
    low_precision = encoder.dtype == torch.bfloat16
    states = encoded.states if low_precision else encoded.states.float()
    with torch.autocast(states.device.type, dtype=torch.bfloat16, enabled=low_precision):
        return hypernetwork(states, encoded.mask, iterative=iterative)


def load_context_encoder(base: BaseLM, config: ContextEncoderConfig) -> ContextEncoder:
    """Load the context encoder of a config.

    Raises:
        BaseModelError: if it cannot be loaded.
        ContextError: if its image processor cannot be loaded.
    """
    return load_encoder(base, config.model_name, quantized=config.quantized, patches=config.patches)


def check_encoder(encoder: ContextEncoder, config: PerceiverConfig, name: str) -> None:
    """Check that a context encoder computes the features that a hypernetwork reads.

    Raises:
        HypernetworkError: if it has another width, too few blocks, or a window shorter than a chunk.
    """
    wanted = config.encoder
    if encoder.feature_size != wanted.feature_size:
        raise HypernetworkError(
            f"hypernetwork {name} reads features of width {wanted.feature_size}, but context encoder {encoder.name} "
            f"has {encoder.feature_size}; give the encoder it was trained with"
        )
    if wanted.num_layers > encoder.num_layers + (wanted.kind == "per_layer_activations"):
        raise HypernetworkError(
            f"hypernetwork {name} reads {wanted.num_layers} blocks, but context encoder {encoder.name} has "
            f"{encoder.num_layers}; give the encoder it was trained with"
        )
    if encoder.tokenizer is None:  # it reads only images, each of which is one chunk
        return
    if config.chunk_tokens > encoder.window_tokens:
        raise HypernetworkError(
            f"hypernetwork {name} reads chunks of {config.chunk_tokens} tokens, but the window of context encoder "
            f"{encoder.name} is {encoder.window_tokens}; set chunk_tokens in its config.json to less"
        )


def count_chunks(num_tokens: int, *, chunk_tokens: int, num_affix_tokens: int, window_tokens: int) -> int:
    """Count the chunks of a context: as few as published, plus one if chunks with affixes exceed the window.

    Args:
        num_tokens: length of the context with the affixes of one chunk.
        chunk_tokens: longest chunk; as published, the affixes between chunks are not counted.
        num_affix_tokens: tokens before and after each chunk.
        window_tokens: window of the context encoder.
    """
    count = -(-num_tokens // chunk_tokens)
    if count > 1 and -(-num_tokens // count) + num_affix_tokens > window_tokens:
        return count + 1
    return count
