"""Convert the state dict of a Doc-to-LoRA checkpoint to our names and shapes.

- Layers that share their weights are stored once for each use.
- Linear layers of the residual MLP store their weights once per block of the base, or once for all.
- The scales of all modules are one tensor here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from lorify.errors import HypernetworkError
from lorify.hypernets.doc_to_lora.config import PerceiverConfig

# Theirs -> ours, inside one layer of the Perceiver.
_LAYER_PARTS = {
    "input_latents_layernorm": "norm_latents",
    "input_context_layernorm": "norm_source",
    "self_attn": "attention",
    "post_attention_layernorm": "norm_attended",
    "pre_ff_layernorm": "norm_before_mlp",
    "mlp": "mlp",
    "post_ff_layernorm": "norm_after_mlp",
}
# Index in their residual MLP -> ours: with weights for each block, and with one set for all.
_MLP_PARTS = {
    "layers": {"0": "norm_in.", "1": "_in", "3": "_out", "4": "norm_out."},
    "mlp": {"0": "norm_in.", "2": "_in", "5": "_out", "6": "norm_out."},
}


def translate_weights(weights: Mapping[str, Tensor], config: PerceiverConfig, file: Path) -> dict[str, Tensor]:
    """Rename and reshape a state dict; tensors with unknown names are kept, for the caller to refuse.

    Raises:
        HypernetworkError: if shared weights differ, or a scale is missing; it names `file`.
    """
    translated: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        ours, shaped = _translate(name, tensor, config)
        if ours in translated and not torch.equal(translated[ours], shaped):
            raise HypernetworkError(
                f"{file}: {name} should share its weights with another block, but they differ; download it again"
            )
        translated[ours] = shaped
    for part in "AB":
        scales = [translated.pop(f"scale_{part}.{m.name}", None) for m in config.modules]
        known = [scale for scale in scales if scale is not None]
        if len(known) < len(scales):
            raise HypernetworkError(f"{file} lacks a scaler_{part} for one of its modules; download it again")
        translated[f"scale_{part}"] = torch.cat(known)  # [M, L, r, 1]
    if not config.bias_adapter:  # the state dict has it anyway
        translated = {name: tensor for name, tensor in translated.items() if not name.startswith("bias_")}
    return translated


def _translate(name: str, tensor: Tensor, config: PerceiverConfig) -> tuple[str, Tensor]:
    match name.split("."):
        case ["aggregator", "perceiver", "modality_projection", *rest]:
            return ".".join(["perceiver.projection", *rest]), tensor
        case ["aggregator", "perceiver", "encoder" | "decoder" as half, "latents_q"]:
            return f"perceiver.{half}.latents", tensor
        case ["aggregator", "perceiver", "encoder" | "decoder" as half, "layernorm", *rest]:
            return ".".join(["perceiver", half, "norm", *rest]), tensor
        case ["aggregator", "perceiver", "encoder" | "decoder" as half, "layers", number, part, *rest] if (
            part in _LAYER_PARTS and number.isdecimal()
        ):
            layer = _encoder_layer(int(number), config) if half == "encoder" else f"cross.{number}"
            return ".".join(["perceiver", half, layer, _LAYER_PARTS[part], *rest]), tensor
        case ["layers", block, "layers" | "mlp" as kind, index, part] if index in _MLP_PARTS[kind]:
            return _translate_mlp(block, kind, index, part, tensor, config)
        case ["scaler_A" | "scaler_B" as kind, module]:
            return f"scale_{kind[-1]}.{module}", tensor
        case ["head", "weight"]:
            return "head", tensor.reshape(config.num_layers, len(config.modules), *tensor.shape[-2:])
        case _:
            return name, tensor


def _translate_mlp(
    block: str, kind: str, index: str, part: str, tensor: Tensor, config: PerceiverConfig
) -> tuple[str, Tensor]:
    """A tensor of a residual MLP."""
    ours = _MLP_PARTS[kind][index]
    if ours.endswith("."):
        return f"mlps.{block}.{ours}{part}", tensor
    if kind == "mlp":  # a plain linear layer, output first
        tensor = tensor.T[None] if part == "weight" else tensor[None]
    elif part == "bias":
        tensor = tensor.reshape(config.num_layers, -1)
    return f"mlps.{block}.{part}{ours}", tensor.contiguous()


def _encoder_layer(number: int, config: PerceiverConfig) -> str:
    """Our name for layer `number` of their encoder: a cross-attention or a self-attention."""
    block, index = divmod(number, 1 + config.self_attentions)
    if index == 0:
        return f"cross.{min(block, 1) if config.shared_weights else block}"
    return f"within.{(0 if config.shared_weights else block) * config.self_attentions + index - 1}"
