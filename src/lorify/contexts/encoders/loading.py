"""Load the context encoder of a hypernetwork: the base, another language model, a vision-language model, or patches."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from lorify.base.architectures import ARCHITECTURES
from lorify.base.files.locate import resolve_base
from lorify.base.loading import load_base, reading
from lorify.base.model import BaseLM
from lorify.contexts.encoders.encoding import ContextEncoder, TextEncoder
from lorify.contexts.encoders.patches import PatchEncoder, PatchGrid
from lorify.contexts.encoders.vision import architecture, is_vision_language, load_vision_encoder
from lorify.errors import BaseModelError


def load_encoder(
    base: BaseLM, name: str | None, *, quantized: bool = False, patches: PatchGrid | None = None, training: bool = False
) -> ContextEncoder:
    """Load the context encoder of a hypernetwork.

    Args:
        base: the loaded base.
        name: hub id or folder of the encoder; None for the base.
        quantized: load it in 4 bits (NF4, by bitsandbytes) on CUDA; on other devices, warn and use full precision.
        patches: grid of an encoder that uses image patches instead of a model; None for a model.
        training: with `quantized`, raise an error instead of a warning on devices other than CUDA.

    Raises:
        BaseModelError: if the model cannot be loaded, or cannot be quantized.
        ContextError: if its image processor cannot be loaded.
    """
    if patches is not None:
        return PatchEncoder(patches, base.device)
    in_4_bits = quantized and base.device.type == "cuda"
    if quantized and not in_4_bits and training:
        raise BaseModelError(
            f"a context encoder in 4 bits needs CUDA, but the base is on {base.device.type}; train on a CUDA device, "
            "after pip install 'lorify[quantized]', or with --set hypernetwork.quantized_encoder=false"
        )
    if quantized and not in_4_bits:
        warnings.warn(
            f"the context encoder was quantized to 4 bits in training, which needs CUDA; on {base.device.type} it "
            "runs in full precision, with nearly the same adapters",
            stacklevel=2,
        )
    if name is None and not in_4_bits:
        return TextEncoder(base)
    source = name or base.name
    kind = architecture(source, resolve_base(source))
    if kind not in ARCHITECTURES and is_vision_language(kind):
        return load_vision_encoder(source, dtype=base.dtype, device=base.device, quantized=in_4_bits)
    return TextEncoder(load_base(source, dtype=base.dtype, device=base.device, quantized=in_4_bits))


@dataclass(frozen=True)
class EncoderSpec:
    """Properties of a context encoder that can be read without loading its weights.

    Attributes:
        tokenizer: its tokenizer.
        num_layers: number of blocks.
        window_tokens: length of its context window, in tokens.
    """

    tokenizer: PreTrainedTokenizerBase
    num_layers: int
    window_tokens: int


def read_encoder_spec(base: BaseLM, name: str | None) -> EncoderSpec:
    """Read the properties of a context encoder without loading its weights.

    Args:
        base: the loaded base.
        name: hub id or folder of the encoder; None for the base.

    Raises:
        BaseModelError: if its files cannot be found, downloaded or read.
    """
    if name is None:
        return EncoderSpec(base.tokenizer, base.num_layers, base.window_tokens)
    folder = resolve_base(name)
    with reading("config.json", name, folder):
        config = AutoConfig.from_pretrained(folder).get_text_config()
        num_layers, window_tokens = int(config.num_hidden_layers), int(config.max_position_embeddings)
    with reading("tokenizer", name, folder):
        tokenizer = AutoTokenizer.from_pretrained(folder)
    return EncoderSpec(tokenizer, num_layers, window_tokens)
