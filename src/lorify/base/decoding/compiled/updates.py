"""The updates of linear layers that share their input, joined into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lorify.base.lora import LoraTensors


@dataclass(frozen=True)
class JointUpdate:
    """A single update for several linear layers.

    Attributes:
        A: `[R, in]`, or `[N, R, in]` if each row has its own.
        B: `[R, sum of outputs]`, or `[N, R, sum of outputs]`.
    """

    A: Tensor
    B: Tensor


def join_updates(updates: Sequence[LoraTensors | None], sizes: Sequence[int]) -> JointUpdate | None:
    """Join the updates of linear layers.

    Args:
        updates: the update of each layer; None if it has none.
        sizes: number of outputs of each layer.
    """
    present = [update for update in updates if update is not None]
    if not present:
        return None
    factors = [None if update is None else _active_factor(update) for update in updates]
    if len(updates) == 1 and factors[0] is not None:
        return JointUpdate(present[0].A.float().contiguous(), _without_rows(factors[0]).contiguous())
    A_rows = max(1 if update.A.dim() == 2 else len(update.A) for update in present)
    B_rows = max(len(factor) for factor in factors if factor is not None)
    rank = sum(update.A.shape[-2] for update in present)
    A, B = torch.zeros(A_rows, rank, present[0].A.shape[-1]), torch.zeros(B_rows, rank, sum(sizes))
    row = column = 0
    for update, factor, size in zip(updates, factors, sizes, strict=True):
        if update is not None and factor is not None:
            own = slice(row, row + update.A.shape[-2])
            A[:, own] = update.A
            B[:, own, column : column + size] = factor
            row = own.stop
        column += size
    return JointUpdate(_without_rows(A), _without_rows(B))


def _active_factor(update: LoraTensors) -> Tensor:
    """`B [1 or N, R, out]`, zero for rows without the update."""
    B = update.B.float()
    return B if update.active is None else B * update.active.view(-1, 1, 1)


def _without_rows(factor: Tensor) -> Tensor:
    """Drop the row dimension if all rows share one factor, which is then read once for all rows."""
    return factor[0] if len(factor) == 1 else factor
