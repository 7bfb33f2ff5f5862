"""The operations of a decoding step, in the form that `lorify.base.decoding.compiled.step` takes."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from lorify.base.decoding.compiled.step import ATTEND, CONTROL_WORDS, GATE, MULTIPLY, NORMALIZE, RANKS, REDUCE, ROTATE
from lorify.base.decoding.compiled.updates import JointUpdate
from lorify.base.decoding.compiled.weights import BlockedMatrix

_NUM_FIELDS = 16


class Operations:
    """A list of operations on buffers; it keeps the buffers alive."""

    def __init__(self) -> None:
        """Start empty."""
        self._rows: list[list[int]] = []
        self._scalars: list[float] = []
        self._kept: list[object] = []

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the operations, their numbers and a control block, as arguments of `run_step`."""
        rows = np.zeros((len(self._rows), _NUM_FIELDS), np.int64)
        for row, fields in zip(rows, self._rows, strict=True):
            row[: len(fields)] = fields
        return rows, np.array(self._scalars, np.float32), np.zeros(CONTROL_WORDS, np.int64)

    def normalize(self, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        """Add a root-mean-square normalization of rows `x [N, D]`; return the output `[N, D]`."""
        out = torch.empty_like(x)
        self._add(NORMALIZE, len(x), x, weight, out, x.shape[1], scalar=epsilon)
        return out

    def gate(self, joined: Tensor) -> Tensor:
        """Add SiLU of the first half of `joined [N, 2 W]` times its second half; return the output `[N, W]`."""
        out = torch.empty(len(joined), joined.shape[1] // 2)
        self._add(GATE, len(joined), joined, out, out.shape[1])
        return out

    def rotate(
        self, joined: Tensor, heads: int, rotary: tuple[Tensor, Tensor], lengths: Tensor, keys: Tensor, values: Tensor
    ) -> None:
        """Add operations that rotate queries and keys in place and write keys and values to the cache.

        Args:
            joined: queries, keys and values `[N, (H + 2 K) C]`.
            heads: number of query heads H.
            rotary: cosines and sines `[N, C]`.
            lengths: number of cached tokens of each row `[N]`.
            keys: cached keys `[N, K, T, C]`.
            values: cached values of the same shape.
        """
        _, kv_heads, size, channels = keys.shape
        width = joined.shape[1]
        self._add(ROTATE, len(joined), joined, width, heads, kv_heads, channels, *rotary, lengths, keys, values, size)

    def attend(
        self, joined: Tensor, heads: int, scaling: float, lengths: Tensor, keys: Tensor, values: Tensor
    ) -> Tensor:
        """Add attention to the cache, the newest token included; return the output `[N, H C]`."""
        rows, kv_heads, size, channels = keys.shape
        out = torch.empty(rows, heads * channels)
        sizes = joined.shape[1], heads, kv_heads, channels
        self._add(ATTEND, rows * kv_heads, joined, *sizes, lengths, keys, values, out, size, scalar=scaling)
        return out

    def multiply(
        self, x: Tensor, matrix: BlockedMatrix, update: JointUpdate | None = None, total: Tensor | None = None
    ) -> Tensor:
        """Add the product of rows `x [N, in]` and a matrix, plus an update.

        Args:
            x: the inputs.
            matrix: the matrix.
            update: the update of the rows; None if they have none.
            total: output `[N, out]` that the product is added to; by default the product is the output.

        Returns:
            The output `[N, out]`.
        """
        out = torch.empty(len(x), matrix.size) if total is None else total
        fields = [*matrix.arrays, *matrix.words_shape, len(x), x, matrix.size, out, int(total is not None)]
        if update is not None:
            rank = update.A.shape[-2]
            low = torch.empty(len(x), rank)
            parts = len(x) * math.ceil(rank / RANKS)
            self._add(REDUCE, parts, x, x.shape[1], update.A, _row_size(update.A), rank, low)
            fields += [rank, low, update.B, _row_size(update.B)]
        self._add(MULTIPLY, matrix.num_blocks, *fields)
        return out

    def _add(self, kind: int, parts: int, *fields: int | Tensor | np.ndarray, scalar: float = 0.0) -> None:
        self._rows.append([kind, parts, *map(_address, fields)])
        self._scalars.append(scalar)
        self._kept.append(fields)


def _row_size(factor: Tensor) -> int:
    """Distance between the factors of two rows; 0 if all rows share one."""
    return 0 if factor.dim() == 2 else factor[0].numel()


def _address(field: int | Tensor | np.ndarray) -> int:
    if isinstance(field, int):
        return field
    if isinstance(field, Tensor):
        assert field.is_contiguous()
        return field.data_ptr()
    return field.ctypes.data
