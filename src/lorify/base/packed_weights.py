"""Weights of four or eight bits, packed for decoding few rows on a CPU.

Decoding a token at a time is bound by reading the weights from memory, and PyTorch's kernels for packed weights read a
half or a quarter of what bfloat16 takes. A base's weights are packed only if they lie on a grid of 16 levels anyway, as
those of a base that was quantized once (a Q4 file holds 32 weights as 16 levels between two bounds): nothing is lost
but another rounding in bfloat16. The updates of adapters are rounded to eight bits, within 1% of their norm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

GROUP = 32
MOST_ROWS = 8  # with more, bfloat16 matrices are multiplied faster
_ROUNDING = 2**-7  # two roundings to bfloat16, relative to the largest weight of a group

_KERNELS = ("_weight_int4pack_mm_for_cpu", "_convert_weight_to_int4pack_for_cpu", "_weight_int8pack_mm")


@dataclass(frozen=True)
class PackedWeight:
    """A matrix `[out, in]` in packed form.

    Attributes:
        numbers: whole numbers, laid out as the kernel wants them.
        scales: bfloat16 `[in / GROUP, out, 2]` (step and middle of a group; four bits) or `[out]` (eight bits).
    """

    numbers: Tensor
    scales: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """`x [rows, in]` in bfloat16 -> `[rows, out]`."""
        if self.scales.ndim == 1:
            return torch.ops.aten._weight_int8pack_mm(x, self.numbers, self.scales)
        return torch.ops.aten._weight_int4pack_mm_for_cpu(x, self.numbers, GROUP, self.scales)


def can_pack(weight: Tensor) -> bool:
    """Whether this machine has the kernels for a weight of this kind."""
    return weight.device.type == "cpu" and weight.dtype == torch.bfloat16 and all(hasattr(torch, k) for k in _KERNELS)


class PackedMatrices:
    """The matrices of one base in packed form, each packed when it is needed first."""

    def __init__(self) -> None:
        """Nothing is packed yet."""
        self._known: dict[tuple[int, ...], _Packed] = {}

    def four_bits(self, weights: Sequence[Tensor]) -> PackedWeight | None:
        """Several matrices of the same input `[out_i, in]`, one below the other, in four bits.

        Returns:
            The packed matrix, the same one every time until a weight changes; None if a weight lies on no such grid.
        """
        key = tuple(id(weight) for weight in weights)
        versions = tuple(weight._version for weight in weights)
        known = self._known.get(key)
        if known is None or known.versions != versions:
            packed = pack_four_bits(torch.cat(list(weights))) if can_pack(weights[0]) else None
            known = self._known[key] = _Packed(tuple(weights), versions, packed)
        return known.packed


@dataclass(frozen=True)
class _Packed:
    """Weights, which are held so that their ids stay theirs, how often they had been changed, and their packed form."""

    weights: tuple[Tensor, ...]
    versions: tuple[int, ...]
    packed: PackedWeight | None


@torch.no_grad()
def pack_four_bits(weight: Tensor) -> PackedWeight | None:
    """A matrix `[out, in]` in four bits; None if it lies on no such grid."""
    rows, columns = weight.shape
    if columns % GROUP or rows % 16:
        return None
    groups = weight.float().view(rows, -1, GROUP)
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    step = ((high - low) / 15).clamp_min(torch.finfo(torch.float32).tiny)
    levels = ((groups - low) / step).round_().clamp_(0, 15)
    step, middle = step.bfloat16(), (low + 8 * step).bfloat16()
    error = (torch.addcmul(middle.float(), levels - 8, step.float()) - groups).abs_().amax(-1)
    if (error > _ROUNDING * groups.abs().amax(-1)).any():
        return None
    numbers = torch.ops.aten._convert_weight_to_int4pack_for_cpu(levels.view(rows, columns).to(torch.int32), 1)
    scales = torch.cat([step, middle], dim=-1).transpose(0, 1).contiguous()  # [in / GROUP, out, 2]
    return PackedWeight(numbers, scales)


@torch.no_grad()
def round_to_eight_bits(weight: Tensor) -> PackedWeight | None:
    """A matrix `[out, in]` with one step of 255 levels for each output; None where the kernel cannot take it."""
    if not can_pack(weight) or weight.shape[1] % 16:  # with other widths the kernel reads past the end
        return None
    exact = weight.float()
    step = exact.abs().amax(-1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny) / 127
    return PackedWeight((exact / step).round_().to(torch.int8).contiguous(), step[:, 0].bfloat16())
