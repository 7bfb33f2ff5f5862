"""Find the quantization grid of weights that were quantized before, such as weights from a GGUF file.

Q4 files have 16 levels between a minimum and a maximum in each group of 32 weights, Q8 files 255 levels around zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

GROUP = 32
_ROUNDING = 2**-7  # two roundings to bfloat16
_ROWS_AT_ONCE = 1024  # small enough for the CPU cache, and a multiple of the row blocks of PyTorch's kernels
_TINY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True)
class GridRows:
    """Rows of a matrix `[out, in]` as `middle + (levels - 2^(bits - 1)) step`.

    Attributes:
        levels: integers from 0 to `2^bits - 1`, in float32, `[rows, in / GROUP, GROUP]`.
        step: distance between two levels `[rows, in / GROUP, 1]`.
        middle: value of the middle level `[rows, in / GROUP, 1]`; 0 for 8 bits.
    """

    levels: Tensor
    step: Tensor
    middle: Tensor


@torch.no_grad()
def find_grid(weight: Tensor, bits: Literal[4, 8], dtype: torch.dtype) -> list[GridRows] | None:
    """Find the levels of a matrix.

    Args:
        weight: `[out, in]`; `in` has to be a multiple of 32, and `out` of 16.
        bits: 4 for a minimum and a maximum in each group, 8 for levels around zero.
        dtype: dtype of the steps and middles.

    Returns:
        The matrix, a few rows at a time; None if some weight is not on the grid.
    """
    parts = []
    for groups in _split(weight):
        part = (_four_bits if bits == 4 else _eight_bits)(groups, dtype)
        if part is None:
            return None
        parts.append(part)
    return parts or None


@torch.no_grad()
def find_row_grid(weight: Tensor) -> GridRows | None:
    """Find 255 levels around zero in each row of a matrix, as in stored hypernetworks.

    Args:
        weight: `[out, in]`; `in` has to be a multiple of 32.

    Returns:
        The matrix with one step for each row, `GROUP` being `in`; None if some weight is not on the grid.
    """
    return None if weight.shape[1] % GROUP else _eight_bits(weight.float().unsqueeze(1), torch.float32)


def _four_bits(groups: Tensor, dtype: torch.dtype) -> GridRows | None:
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    step = ((high - low) / 15).clamp_min(_TINY)
    levels = ((groups - low) / step).round_().clamp_(0, 15)
    step, middle = step.to(dtype), (low + 8 * step).to(dtype)
    error = (torch.addcmul(middle.float(), levels - 8, step.float()) - groups).abs_().amax(-1)
    is_off = error > _ROUNDING * groups.abs().amax(-1)
    return None if is_off.any() else GridRows(levels, step, middle)


def _eight_bits(groups: Tensor, dtype: torch.dtype) -> GridRows | None:
    step = groups.abs().amax(-1, keepdim=True) / 127
    # The largest weight was rounded, so the mean over all weights estimates the original step better.
    step = (groups / (groups / step).round_()).nanmean(-1, keepdim=True).nan_to_num_()
    levels = (groups / step.clamp_min(_TINY)).round_().clamp_(-127, 127)
    step = step.to(dtype)
    # The tolerance is relative to each weight: relative to the largest of the group, any value is near some level.
    is_off = (levels * step.float() - groups).abs_() > 2 * _ROUNDING * groups.abs()
    return None if is_off.any() else GridRows(levels + 128, step, torch.zeros_like(step))


def _split(weight: Tensor) -> Iterator[Tensor]:
    """Yield groups `[rows, in / GROUP, GROUP]` of a matrix, a few rows at a time; none if its shape is unsupported."""
    rows, columns = weight.shape
    if columns % GROUP == 0 and rows % 16 == 0:
        for some in weight.split(_ROWS_AT_ONCE):
            yield some.float().view(len(some), -1, GROUP)
