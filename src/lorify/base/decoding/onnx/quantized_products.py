"""Products with quantized matrices in an ONNX graph.

Matrices stay on the quantization grid that their file had (`lorify.base.weight_grids`), so that a step reads a fifth of
the bytes of float32. ONNX Runtime rounds inputs to 8 bits. Each input is therefore split into two, the rounded one and
what is left of it, whose products are added; the relative error of a product is about 0.00005.

Shapes: N rows, G groups of weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from lorify.base.decoding.onnx.graph_builder import GraphBuilder
from lorify.base.weight_grids import GROUP, GridRows, find_grid

_BITS: tuple[Literal[4, 8], ...] = (4, 8)


class OffGridError(Exception):
    """Weights do not lie on a quantization grid."""


def add_product(graph: GraphBuilder, x: str, weights: Sequence[Tensor]) -> str:
    """Add the product `[N, out]` of `x [N, in]` and matrices `[out_i, in]`, concatenated along the output.

    Raises:
        OffGridError: if the weights do not lie on a grid of 16 levels, or of 255 levels around zero.
    """
    bits, rows = _on_grid(weights)
    width, size = weights[0].shape[1], sum(len(weight) for weight in weights)
    groups = graph.reshape(x, -1, width // GROUP, GROUP)
    y = graph.op(
        "MatMulNBits",
        graph.reshape(_split_in_two(graph, groups), -1, width),
        graph.constant(_level_bytes(rows, bits)),
        graph.constant(torch.cat([part.step.flatten() for part in rows])),
        domain="com.microsoft",
        K=width,
        N=size,
        bits=bits,
        block_size=GROUP,
        accuracy_level=4,  # inputs in 8 bits
    )
    y = graph.op("ReduceSum", graph.reshape(y, 2, -1, size), graph.whole_numbers(0), keepdims=0)
    middle = torch.cat([part.middle[..., 0] for part in rows]).T  # [G, out]
    if not middle.any():
        return y
    sums = graph.op("ReduceSum", groups, graph.whole_numbers(-1), keepdims=0)  # [N, G]
    return graph.op("Add", y, graph.op("MatMul", sums, graph.constant(middle)))


def _split_in_two(graph: GraphBuilder, groups: str) -> str:
    """`[2 N, G, GROUP]`: the input rounded to 8 bits as ONNX Runtime rounds it, and the remainder."""
    largest = graph.op("ReduceMax", graph.op("Abs", groups), graph.whole_numbers(-1), keepdims=1)
    step = graph.op("Max", graph.op("Mul", largest, graph.number(1 / 127)), graph.number(1e-30))
    rounded = graph.op("Mul", graph.op("Round", graph.op("Div", groups, step)), step)
    return graph.op("Concat", rounded, graph.op("Sub", groups, rounded), axis=0)


def _on_grid(weights: Sequence[Tensor]) -> tuple[int, list[GridRows]]:
    """The matrices on the coarsest grid that all of them lie on."""
    for bits in _BITS:
        parts = [find_grid(weight, bits, torch.float32) for weight in weights]
        found = [part for part in parts if part is not None]
        if len(found) == len(weights):
            return bits, [rows for part in found for rows in part]
    raise OffGridError


def _level_bytes(rows: Sequence[GridRows], bits: int) -> np.ndarray:
    """The levels `[out, G, bytes]`; of two levels of 4 bits, the second takes the high half of their byte."""
    levels = torch.cat([part.levels.to(torch.uint8) for part in rows])
    return (levels if bits == 8 else levels[..., ::2] | (levels[..., 1::2] << 4)).numpy()
