"""The updates of a batch as inputs of the graph.

Shapes: N rows, R rank.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lorify.base.lora import LoraTensors


def joint_update(updates: Sequence[LoraTensors | None], width: int, sizes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Join the updates of linear layers that share their input.

    Args:
        updates: the update of each layer; None if it has none.
        width: number of input channels.
        sizes: number of output channels of each layer.

    Returns:
        `A`, `[width, R]` or `[N, width, R]`, and `B`, `[R, sum of sizes]` or `[N, R, sum of sizes]`.
    """
    present = [update for update in updates if update is not None]
    if not present:
        return torch.zeros(width, 1), torch.zeros(1, sum(sizes))  # the graph has an update everywhere
    A_rows = max(_num_rows(update.A) for update in present)
    B_rows = max(len(update.B) if update.active is None else len(update.active) for update in present)
    rank = sum(update.A.shape[-2] for update in present)
    A, B = torch.zeros(A_rows, width, rank), torch.zeros(B_rows, rank, sum(sizes))
    row = column = 0
    for update, size in zip(updates, sizes, strict=True):
        if update is not None:
            own = slice(row, row + update.A.shape[-2])
            A[:, :, own] = update.A.transpose(-1, -2)
            active = 1.0 if update.active is None else update.active.view(-1, 1, 1)
            B[:, own, column : column + size] = update.B * active
            row = own.stop
        column += size
    return _without_rows(A), _without_rows(B)


def _num_rows(A: Tensor) -> int:
    return 1 if A.dim() == 2 else len(A)


def _without_rows(factor: Tensor) -> Tensor:
    """Drop the dimension of the rows where they share one factor, which is then read once for all of them."""
    return factor[0] if len(factor) == 1 else factor
