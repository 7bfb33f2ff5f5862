"""Weights in 4 or 8 bits, packed for decoding small batches on a CPU.

Decoding one token at a time is bound by memory bandwidth, and PyTorch's kernels for packed weights read half or a
quarter as many bytes as bfloat16. The weights of a base are packed only if they already lie on a quantization grid
because the base was quantized before; packing then only adds one more rounding to bfloat16. Weights from a Q4 file
have 16 levels between a minimum and a maximum in each group of 32. Weights from a Q8 file have 255 levels around zero
in each group; they are packed as two 4-bit matrices, since the 8-bit kernel allows only one scale per row. The updates
of adapters are rounded to 8 bits, with an error below 1% of their norm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lorify.base.weight_grids import GROUP, find_grid

MOST_ROWS = 8  # for larger batches, plain bfloat16 matrix products are faster
_TINY = torch.finfo(torch.float32).tiny

_KERNELS = ("_weight_int4pack_mm_for_cpu", "_convert_weight_to_int4pack_for_cpu", "_weight_int8pack_mm")


@dataclass(frozen=True)
class PackedWeight:
    """A matrix `[out, in]` in packed form.

    Attributes:
        numbers: the integer weights in the layout of the kernel.
        scales: bfloat16; for 4 bits `[in / GROUP, out, 2]`, the step and the midpoint of each group; for 8 bits
            `[out]`.
    """

    numbers: Tensor
    scales: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """`x [rows, in]` in bfloat16 -> `[rows, out]`."""
        if self.scales.ndim == 1:
            return torch.ops.aten._weight_int8pack_mm(x, self.numbers, self.scales)
        return torch.ops.aten._weight_int4pack_mm_for_cpu(x, self.numbers, GROUP, self.scales)


@dataclass(frozen=True)
class PackedHalves:
    """An 8-bit matrix `[out, in]` as the sum of two 4-bit matrices: 16 times its high 4 bits, and its low 4 bits."""

    high: PackedWeight
    low: PackedWeight

    def __call__(self, x: Tensor) -> Tensor:
        """`x [rows, in]` in bfloat16 -> `[rows, out]`."""
        return self.high(x) + self.low(x)


def can_pack(weight: Tensor) -> bool:
    """Return whether this build of PyTorch has the kernels to pack a weight with this device and dtype."""
    return weight.device.type == "cpu" and weight.dtype == torch.bfloat16 and all(hasattr(torch, k) for k in _KERNELS)


class PackedMatrices:
    """The packed matrices of one base, each packed on first use."""

    def __init__(self) -> None:
        """Start without packed matrices."""
        self._known: dict[tuple[int, ...], _Packed] = {}

    def packed(self, weights: Sequence[Tensor]) -> PackedWeight | PackedHalves | None:
        """Pack matrices `[out_i, in]` that share their input, concatenated along the output.

        Returns:
            The packed matrix, cached until a weight changes; None if this build of PyTorch cannot pack it, or the
            weights do not lie on a quantization grid (see the module docstring).
        """
        key = tuple(id(weight) for weight in weights)
        versions = tuple(weight._version for weight in weights)
        known = self._known.get(key)
        if known is None or known.versions != versions:
            packed = None
            if can_pack(weights[0]):
                joined = torch.cat(list(weights))
                packed = pack_four_bits(joined) or pack_eight_bits(joined)
            known = self._known[key] = _Packed(tuple(weights), versions, packed)
        return known.packed


@dataclass(frozen=True)
class _Packed:
    """Weights with their version counters and their packed form; holding the weights keeps their ids unique."""

    weights: tuple[Tensor, ...]
    versions: tuple[int, ...]
    packed: PackedWeight | PackedHalves | None


@torch.no_grad()
def pack_four_bits(weight: Tensor) -> PackedWeight | None:
    """Pack a matrix `[out, in]` in 4 bits; return None if its groups do not lie on grids of 16 levels."""
    parts = find_grid(weight, 4, torch.bfloat16)
    return None if parts is None else _joined([_pack(part.levels, part.step, part.middle) for part in parts])


@torch.no_grad()
def pack_eight_bits(weight: Tensor) -> PackedHalves | None:
    """Pack a matrix `[out, in]` in 8 bits; return None if its groups do not lie on 255 levels around zero."""
    highs, lows = [], []
    for part in find_grid(weight, 8, torch.bfloat16) or ():
        high = (part.levels / 16).floor_()
        # step (levels - 128) = 16 step (high - 8) + step (low - 8) + 8 step
        highs.append(_pack(high, 16 * part.step, torch.zeros_like(part.step)))
        lows.append(_pack(part.levels - 16 * high, part.step, 8 * part.step))
    return PackedHalves(_joined(highs), _joined(lows)) if highs else None


def _pack(levels: Tensor, step: Tensor, middle: Tensor) -> PackedWeight:
    """Pack the matrix `middle + (levels - 8) step`, given levels `[out, in / GROUP, GROUP]` between 0 and 15."""
    numbers = torch.ops.aten._convert_weight_to_int4pack_for_cpu(levels.flatten(1).to(torch.int32), 1)
    scales = torch.cat([step, middle], dim=-1).transpose(0, 1)  # [in / GROUP, out, 2]
    return PackedWeight(numbers, scales)


def _joined(parts: Sequence[PackedWeight]) -> PackedWeight:
    """Concatenate packed matrices that share their input along the output."""
    return PackedWeight(torch.cat([part.numbers for part in parts]), torch.cat([part.scales for part in parts], dim=1))


@torch.no_grad()
def round_to_eight_bits(weight: Tensor) -> PackedWeight | None:
    """Round a matrix `[out, in]` to 255 levels per output; None if the kernel does not support its shape."""
    if not can_pack(weight) or weight.shape[1] % 16:  # for other widths the kernel reads past the end
        return None
    exact = weight.float()
    step = exact.abs().amax(-1, keepdim=True).clamp_min(_TINY) / 127
    return PackedWeight((exact / step).round_().to(torch.int8).contiguous(), step[:, 0].bfloat16())
