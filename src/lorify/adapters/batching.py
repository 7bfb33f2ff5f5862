"""Batching: lay out adapters as the `LoraBatch` that the base's hooks apply, with a different update in each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from lorify.adapters.adapter import Key, LoraPair, same_tensor, scaled_pairs
from lorify.adapters.stack import AdapterLike, AdapterStack
from lorify.base.lora import LoraBatch, LoraTensors

if TYPE_CHECKING:
    from lorify.base.model import BaseLM


def build_lora_batch(rows: Sequence[AdapterLike], base: BaseLM) -> LoraBatch | None:
    """Lay out the adapters of a batch for the base's hooks.

    If all adapters share their `A` at a linear layer, one `A [r, d_in]` serves all rows. Otherwise each row gets its
    own `A`, with the adapters of its stack concatenated along the rank and padded with zeros to the batch's largest
    rank.

    Args:
        rows: the adapters of each row of the batch, in order.
        base: the base that will run the batch; the tensors are on its device and in its dtype.

    Returns:
        The batch for `base.hooks.applied`, or None if every row runs the bare base.

    Raises:
        AdapterError: if an adapter does not fit the base.
    """
    stacks = [AdapterStack.of(row).parts for row in rows]
    for adapter in {id(adapter): adapter for parts in stacks for adapter, _ in parts}.values():
        adapter.check_base(base)
    held = {id(adapter.weights): adapter.with_held_weights() for parts in stacks for adapter, _ in parts}
    stacks = [tuple((held[id(adapter.weights)], scale) for adapter, scale in parts) for parts in stacks]
    keys = sorted({key for parts in stacks for adapter, _ in parts for key in adapter.weights})
    batch = {key: _lay_out([scaled_pairs(parts, key) for parts in stacks], key, base) for key in keys}
    return batch or None


def _lay_out(rows: list[list[LoraPair]], key: Key, base: BaseLM) -> LoraTensors:
    """Build the tensors of one linear layer from the pairs of each row; a row without pairs has no update."""
    linear = base.linear_keys[key]
    present = [pair for row in rows for pair in row]
    shared = present[0].A
    if all(len(row) <= 1 for row in rows) and all(same_tensor(shared, pair.A) for pair in present):
        return _lay_out_shared(rows, present, linear.weight)
    rank = max(sum(pair.rank for pair in row) for row in rows)
    A = linear.weight.new_zeros(len(rows), rank, linear.in_features)
    B = linear.weight.new_zeros(len(rows), rank, linear.out_features)
    for i, row in enumerate(rows):
        _fill(A[i], B[i], row)
    return LoraTensors(A, B)


def _lay_out_shared(rows: list[list[LoraPair]], present: list[LoraPair], weight: Tensor) -> LoraTensors:
    """Build one `A [r, d_in]` for all rows, and one `B` if all rows share it."""
    A = present[0].A.to(weight.device, weight.dtype)
    if len(present) == len(rows) and all(same_tensor(present[0].B, pair.B) for pair in present):
        return LoraTensors(A, present[0].B.T.to(weight.device, weight.dtype).unsqueeze(0))
    B = weight.new_zeros(len(rows), A.shape[0], weight.shape[0])
    for i, row in enumerate(rows):
        for pair in row:
            B[i] = pair.B.T
    return LoraTensors(A, B)


def _fill(A: Tensor, B: Tensor, pairs: list[LoraPair]) -> None:
    """Copy pairs into `A [R, d_in]` and `B [R, d_out]`, stacked along the rank."""
    start = 0
    for pair in pairs:
        A[start : start + pair.rank] = pair.A
        B[start : start + pair.rank] = pair.B.T
        start += pair.rank
