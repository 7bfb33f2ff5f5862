"""Storage of hypernetwork weights: exact, or with large matrices in 8 bits.

An 8-bit matrix is stored as integers with one float scale per output channel (`NAME.scale`): half the size of bfloat16
at about the same rounding error. Matrices that become the `A` of adapters have their output channels first. They keep
their scale until decoding, which reads them in 8 bits (see `lorify.base.packed_weights`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

SCALE_SUFFIX = ".scale"
MIN_PACKED_NUMBERS = 4096


def packed_weights(weights: Mapping[str, Tensor], *, output_first: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Store large matrices in 8 bits and everything else in float32.

    Args:
        weights: a state dict.
        output_first: name prefixes of matrices whose first dimension is the output; for all others it is the last one.

    Returns:
        The stored tensors. An int8 matrix has one float32 scale per output, under its name with `SCALE_SUFFIX`.
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        tensor = tensor.detach().float().cpu()
        # Vectors and stacks of vectors take little space, and their precision matters.
        if min(tensor.shape[-2:], default=1) == 1 or tensor.ndim < 2 or tensor.numel() < MIN_PACKED_NUMBERS:
            packed[name] = tensor.contiguous()
            continue
        summed = -1 if name.startswith(output_first) else -2
        scale = tensor.abs().amax(summed, keepdim=True).clamp_min(1e-12) / 127
        packed[name] = (tensor / scale).round().to(torch.int8).contiguous()
        packed[name + SCALE_SUFFIX] = scale.contiguous()
    return packed


def exact_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Store every weight in float32."""
    return {name: tensor.detach().float().cpu().contiguous() for name, tensor in weights.items()}


def unpacked_weights(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Restore float32 weights from either form; a scale without its matrix is kept, for the caller to refuse."""
    scales = {name for name in stored if name.endswith(SCALE_SUFFIX) and name.removesuffix(SCALE_SUFFIX) in stored}
    return {
        name: tensor.float() * stored[name + SCALE_SUFFIX] if name + SCALE_SUFFIX in scales else tensor.float()
        for name, tensor in stored.items()
        if name not in scales
    }
