"""Adapters of a batch of requests -> the `LoraBatch` that the base's hooks apply, a different update for each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from lorify.adapters.adapter import Adapter, Key, LoraPair, ScaledAdapters, same_tensor, scaled_pairs
from lorify.base.lora import LoraBatch, LoraTensors

if TYPE_CHECKING:
    from lorify.base.model import BaseLM

AdapterRow = Adapter | ScaledAdapters | None
"""What one row of a batch is run with: the bare base, one adapter, or a sum of (adapter, scale)."""


def build_lora_batch(rows: Sequence[AdapterRow], base: BaseLM) -> LoraBatch | None:
    """Lay out the adapters of a batch for the base's hooks.

    When all adapters share their `A` at a linear layer, one `A [r, d_in]` serves all rows; otherwise each row gets its
    own, its adapters one below the other along the rank, filled up with zeros to the largest rank of all rows.

    Args:
        rows: what each row of the batch is run with, in order.
        base: the base that will run it; the tensors are on its device and in its dtype.

    Returns:
        The batch for `base.hooks.applied`, or None if all rows run the bare base.

    Raises:
        AdapterError: if an adapter does not fit the base.
    """
    sums = [_as_sum(row) for row in rows]
    for adapter in {id(adapter): adapter for row in sums for adapter, _ in row}.values():
        adapter.check_base(base)
    keys = sorted({key for row in sums for adapter, _ in row for key in adapter.weights})
    batch = {key: _stack([scaled_pairs(row, key) for row in sums], key, base) for key in keys}
    return batch or None


def _as_sum(row: AdapterRow) -> ScaledAdapters:
    if row is None:
        return ()
    return ((row, 1.0),) if isinstance(row, Adapter) else row


def _stack(rows: list[list[LoraPair]], key: Key, base: BaseLM) -> LoraTensors:
    """Tensors of one linear layer from the pairs of each row (none: no update)."""
    linear = base.linear_keys[key]
    weight = linear.weight
    present = [pair for row in rows for pair in row]
    shared = present[0].A
    if all(len(row) <= 1 for row in rows) and all(same_tensor(shared, pair.A) for pair in present):
        A = shared.to(weight.device, weight.dtype)
        if len(present) == len(rows) and all(same_tensor(present[0].B, pair.B) for pair in present):
            return LoraTensors(A, present[0].B.T.to(weight.device, weight.dtype).unsqueeze(0))
        B = weight.new_zeros(len(rows), shared.shape[0], linear.out_features)
        for i, row in enumerate(rows):
            for pair in row:
                B[i] = pair.B.T
        return LoraTensors(A, B)
    rank = max(sum(pair.rank for pair in row) for row in rows)
    A = weight.new_zeros(len(rows), rank, linear.in_features)
    B = weight.new_zeros(len(rows), rank, linear.out_features)
    for i, row in enumerate(rows):
        _fill(A[i], B[i], row)
    return LoraTensors(A, B)


def _fill(A: Tensor, B: Tensor, pairs: list[LoraPair]) -> None:
    """Copy pairs one below the other into `A [R, d_in]` and `B [R, d_out]`."""
    start = 0
    for pair in pairs:
        A[start : start + pair.rank] = pair.A
        B[start : start + pair.rank] = pair.B.T
        start += pair.rank
