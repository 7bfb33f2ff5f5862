"""How the weights of a matrix are stored for compiled products.

Outputs are grouped into blocks, so that vector instructions compute several at once. A 32-bit word holds the levels of
one output for 8 inputs (4 bits) or 4 inputs (8 bits), the first one in the lowest bits.

Shapes: G groups of weights, O blocks of outputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lorify.base.weight_grids import GridRows, find_grid

BLOCK = 64
"""Outputs that are computed together."""

_SAMPLE_ROWS = 16
_BITS: tuple[Literal[4, 8], ...] = (4, 8)


class OffGridError(Exception):
    """Weights do not lie on a quantization grid."""


def check_samples(weights: Iterable[Tensor]) -> None:
    """Look at a few rows of each matrix, to find out quickly that a base is not quantized.

    Raises:
        OffGridError: if the rows do not lie on a quantization grid.
    """
    for weight in weights:
        _on_grid([weight[:_SAMPLE_ROWS]])


def blocked_weights(weights: Sequence[Tensor]) -> dict[str, Tensor]:
    """Store matrices `[out_i, in]`, concatenated along the output, in blocks.

    Returns:
        `words [O, G, GROUP * bits / 32, BLOCK]` as 32-bit integers, `step [O, G, BLOCK]`, the distance between two
        levels, and `low [O, G, BLOCK]`, the value of level 0.

    Raises:
        OffGridError: if the weights do not lie on a grid of 16 levels, or of 255 levels around zero.
    """
    bits, rows = _on_grid(weights)
    levels = torch.cat([part.levels for part in rows]).to(torch.int32)  # [out, G, GROUP]
    step = torch.cat([part.step[..., 0] for part in rows])  # [out, G]
    low = torch.cat([part.middle[..., 0] for part in rows]) - 2 ** (bits - 1) * step
    per_word = 32 // bits
    shifts = bits * torch.arange(per_word, dtype=torch.int32)
    words = (levels.view(*levels.shape[:2], -1, per_word) << shifts).sum(-1, dtype=torch.int32)  # [out, G, words]
    return {
        "words": _in_blocks(words).movedim(1, -1).contiguous(),
        "step": _in_blocks(step).movedim(1, -1).contiguous(),
        "low": _in_blocks(low).movedim(1, -1).contiguous(),
    }


def _in_blocks(values: Tensor) -> Tensor:
    """`[out, ...]` as `[O, BLOCK, ...]`, with zeros in the last block."""
    missing = -len(values) % BLOCK
    return F.pad(values, [0, 0] * (values.dim() - 1) + [0, missing]).unflatten(0, (-1, BLOCK))


def _on_grid(weights: Sequence[Tensor]) -> tuple[int, list[GridRows]]:
    """The matrices on the coarsest grid that all of them lie on."""
    for bits in _BITS:
        parts = [find_grid(weight, bits, torch.float32) for weight in weights]
        found = [part for part in parts if part is not None]
        if len(found) == len(weights):
            return bits, [rows for part in found for rows in part]
    raise OffGridError
