"""Products with quantized matrices in an ONNX graph.

Matrices stay on the quantization grid that their file had (`lorify.base.weight_grids`), so that a step reads a fifth of
the bytes of float32. ONNX Runtime rounds inputs to 8 bits. Each input is therefore split into two, the rounded one and
what is left of it, whose products are added; the relative error of a product is about 0.00005.

Shapes: N rows, G groups of weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from lorify.base.decoding.onnx.constants import Constants
from lorify.base.decoding.onnx.graph_builder import GraphBuilder
from lorify.base.weight_grids import GROUP, GridRows, find_grid

_SAMPLE_ROWS = 16
_BITS: tuple[Literal[4, 8], ...] = (4, 8)


class OffGridError(Exception):
    """Weights do not lie on a quantization grid."""


class SplitInput:
    """An input `[N, in]` of products, in groups and split in two."""

    def __init__(self, graph: GraphBuilder, x: str, width: int) -> None:
        """Add the nodes that split `x`, which has `width` channels."""
        self.x, self.width = x, width
        self.groups = graph.reshape(x, -1, width // GROUP, GROUP)  # [N, G, GROUP]
        largest = graph.op("ReduceMax", graph.op("Abs", self.groups), graph.whole_numbers(-1), keepdims=1)
        step = graph.op("Max", graph.op("Mul", largest, graph.number(1 / 127)), graph.number(1e-30))
        rounded = graph.op("Mul", graph.op("Round", graph.op("Div", self.groups, step)), step)
        both = graph.op("Concat", rounded, graph.op("Sub", self.groups, rounded), axis=0)
        self.halves = graph.reshape(both, -1, width)  # [2 N, in]


def check_samples(weights: Iterable[Tensor]) -> None:
    """Look at a few rows of each matrix, to know soon that a base is not quantized.

    Raises:
        OffGridError: if they do not lie on a quantization grid.
    """
    for weight in weights:
        _on_grid([weight[:_SAMPLE_ROWS]])


def add_matrix(constants: Constants, name: str, weights: Sequence[Tensor]) -> None:
    """Add matrices `[out_i, in]`, concatenated along the output, to the constants unless they are there.

    Raises:
        OffGridError: if the weights do not lie on a grid of 16 levels, or of 255 levels around zero.
    """
    if f"{name}.levels" in constants:
        return
    bits, rows = _on_grid(weights)
    constants.add(f"{name}.levels", level_bytes(torch.cat([part.levels for part in rows]), bits))
    constants.add(f"{name}.step", torch.cat([part.step.flatten() for part in rows]))
    middle = torch.cat([part.middle[..., 0] for part in rows]).T  # [G, out]
    if middle.any():
        constants.add(f"{name}.middle", middle)


def add_product(graph: GraphBuilder, x: SplitInput, name: str) -> str:
    """Add the product `[N, out]` of an input and a matrix that `add_matrix` added."""
    levels = graph.constants[f"{name}.levels"]
    bits = 4 if levels.shape[-1] < GROUP else 8
    y = multiply(graph, x, graph.constant(f"{name}.levels"), graph.constant(f"{name}.step"), levels.shape[0], bits)
    if f"{name}.middle" not in graph.constants:
        return y
    sums = graph.op("ReduceSum", x.groups, graph.whole_numbers(-1), keepdims=0)  # [N, G]
    return graph.op("Add", y, graph.op("MatMul", sums, graph.constant(f"{name}.middle")))


def multiply(graph: GraphBuilder, x: SplitInput, levels: str, steps: str, size: int, bits: int) -> str:
    """Add the product `[N, size]` of an input and `step (levels - 2^(bits - 1))`."""
    y = graph.op(
        "MatMulNBits",
        x.halves,
        levels,
        steps,
        domain="com.microsoft",
        K=x.width,
        N=size,
        bits=bits,
        block_size=GROUP,
        accuracy_level=4,  # inputs in 8 bits
    )
    return graph.op("ReduceSum", graph.reshape(y, 2, -1, size), graph.whole_numbers(0), keepdims=0)


def level_bytes(levels: Tensor, bits: int) -> np.ndarray:
    """Store levels `[out, G, GROUP]` as `[out, G, bytes]`; of two of 4 bits, the second is the high half of a byte."""
    levels = levels.to(torch.uint8)
    return (levels if bits == 8 else levels[..., ::2] | (levels[..., 1::2] << 4)).numpy()


def _on_grid(weights: Sequence[Tensor]) -> tuple[int, list[GridRows]]:
    """The matrices on the coarsest grid that all of them lie on."""
    for bits in _BITS:
        parts = [find_grid(weight, bits, torch.float32) for weight in weights]
        found = [part for part in parts if part is not None]
        if len(found) == len(weights):
            return bits, [rows for part in found for rows in part]
    raise OffGridError
