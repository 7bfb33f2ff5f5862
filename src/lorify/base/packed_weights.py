"""Weights of four or eight bits, packed for decoding few rows on a CPU.

Decoding a token at a time is bound by reading the weights from memory, and PyTorch's kernels for packed weights read a
half or a quarter of what bfloat16 takes. A base's weights are packed only if they lie on a grid anyway, as those of a
base that was quantized once: nothing is lost but another rounding in bfloat16. A Q4 file holds 32 weights as 16 levels
between two bounds. A Q8 file holds them as 255 levels around zero, which are packed as two matrices of four bits, since
the kernel for eight bits has one step for a whole row. The updates of adapters are rounded to eight bits, within 1% of
their norm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

GROUP = 32
MOST_ROWS = 8  # with more, bfloat16 matrices are multiplied faster
_ROUNDING = 2**-7  # two roundings to bfloat16
_ROWS_AT_ONCE = 1024  # what is worked on stays in the processor's cache; the kernel's blocks of rows divide it
_TINY = torch.finfo(torch.float32).tiny

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


@dataclass(frozen=True)
class PackedHalves:
    """A matrix `[out, in]` of eight bits as the sum of two of four: 16 times the high half, and the low half."""

    high: PackedWeight
    low: PackedWeight

    def __call__(self, x: Tensor) -> Tensor:
        """`x [rows, in]` in bfloat16 -> `[rows, out]`."""
        return self.high(x) + self.low(x)


def can_pack(weight: Tensor) -> bool:
    """Whether this machine has the kernels for a weight of this kind."""
    return weight.device.type == "cpu" and weight.dtype == torch.bfloat16 and all(hasattr(torch, k) for k in _KERNELS)


class PackedMatrices:
    """The matrices of one base in packed form, each packed when it is needed first."""

    def __init__(self) -> None:
        """Nothing is packed yet."""
        self._known: dict[tuple[int, ...], _Packed] = {}

    def packed(self, weights: Sequence[Tensor]) -> PackedWeight | PackedHalves | None:
        """Several matrices of the same input `[out_i, in]`, one below the other.

        Returns:
            The packed matrix, the same one every time until a weight changes; None if a weight lies on no grid.
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
    """Weights, which are held so that their ids stay theirs, how often they had been changed, and their packed form."""

    weights: tuple[Tensor, ...]
    versions: tuple[int, ...]
    packed: PackedWeight | PackedHalves | None


@torch.no_grad()
def pack_four_bits(weight: Tensor) -> PackedWeight | None:
    """A matrix `[out, in]` in four bits; None if it lies on no grid of 16 levels."""
    parts = []
    for groups in _split(weight):
        low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
        step = ((high - low) / 15).clamp_min(_TINY)
        levels = ((groups - low) / step).round_().clamp_(0, 15)
        step, middle = step.bfloat16(), (low + 8 * step).bfloat16()
        error = (torch.addcmul(middle.float(), levels - 8, step.float()) - groups).abs_().amax(-1)
        if (error > _ROUNDING * groups.abs().amax(-1)).any():
            return None
        parts.append(_pack(levels, step, middle))
    return _joined(parts) if parts else None


@torch.no_grad()
def pack_eight_bits(weight: Tensor) -> PackedHalves | None:
    """A matrix `[out, in]` in eight bits; None if it lies on no grid of 255 levels around zero."""
    highs, lows = [], []
    for groups in _split(weight):
        step = groups.abs().amax(-1, keepdim=True) / 127
        # The largest weight was rounded; the mean over all weights is nearer to what the step was.
        step = (groups / (groups / step).round_()).nanmean(-1, keepdim=True).nan_to_num_()
        levels = (groups / step.clamp_min(_TINY)).round_().clamp_(-127, 127)
        step = step.bfloat16()
        # Each weight is compared by itself, since measured by the largest one of a group anything is near some level.
        if ((levels * step.float() - groups).abs_() > 2 * _ROUNDING * groups.abs()).any():
            return None
        levels += 128
        high = (levels / 16).floor_()
        # step (levels - 128) = 16 step (high - 8) + step (low - 8) + 8 step
        highs.append(_pack(high, 16 * step, torch.zeros_like(step)))
        lows.append(_pack(levels - 16 * high, step, 8 * step))
    return PackedHalves(_joined(highs), _joined(lows)) if highs else None


def _split(weight: Tensor) -> Iterator[Tensor]:
    """The groups `[some of out, in / GROUP, GROUP]` of a matrix, some rows after others; none of another shape."""
    rows, columns = weight.shape
    if columns % GROUP == 0 and rows % 16 == 0:
        for some in weight.split(_ROWS_AT_ONCE):
            yield some.float().view(len(some), -1, GROUP)


def _pack(levels: Tensor, step: Tensor, middle: Tensor) -> PackedWeight:
    """The matrix `middle + (levels - 8) step`, from levels `[out, in / GROUP, GROUP]` from 0 to 15."""
    numbers = torch.ops.aten._convert_weight_to_int4pack_for_cpu(levels.flatten(1).to(torch.int32), 1)
    scales = torch.cat([step, middle], dim=-1).transpose(0, 1)  # [in / GROUP, out, 2]
    return PackedWeight(numbers, scales)


def _joined(parts: Sequence[PackedWeight]) -> PackedWeight:
    """Matrices of the same input, one below the other."""
    return PackedWeight(torch.cat([part.numbers for part in parts]), torch.cat([part.scales for part in parts], dim=1))


@torch.no_grad()
def round_to_eight_bits(weight: Tensor) -> PackedWeight | None:
    """A matrix `[out, in]` with one step of 255 levels for each output; None where the kernel cannot take it."""
    if not can_pack(weight) or weight.shape[1] % 16:  # with other widths the kernel reads past the end
        return None
    exact = weight.float()
    step = exact.abs().amax(-1, keepdim=True).clamp_min(_TINY) / 127
    return PackedWeight((exact / step).round_().to(torch.int8).contiguous(), step[:, 0].bfloat16())
