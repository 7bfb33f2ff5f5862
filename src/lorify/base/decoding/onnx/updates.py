"""Updates of adapters in the graph: where it takes them, and as which inputs.

A graph takes updates only where the adapters at hand have them, as each product costs time. If all rows share an `A`
that lies on a grid of 255 levels in each of its rows, as that of a stored hypernetwork does, it is a constant of the
graph in 8 bits, which are read in a quarter of the time.

Shapes: N rows, R rank.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lorify.base.lora import LoraBatch, LoraTensors
from lorify.base.model import BaseLM
from lorify.base.weight_grids import find_row_grid

LINEAR_GROUPS = (("q_proj", "k_proj", "v_proj"), ("o_proj",), ("gate_proj", "up_proj"), ("down_proj",))
"""Linear layers of a block that share their input; each group is one matrix of the graph."""
_FIRST = {name: group[0] for group in LINEAR_GROUPS for name in group}

Group = tuple[int, str]
"""A group of linear layers: the index of its block and the name of the first layer."""


@dataclass(frozen=True)
class GraphUpdates:
    """Which updates a graph takes.

    Attributes:
        free: groups whose `A` and `B` are inputs.
        constant: groups with an `A [R, in]` that is part of the graph; its `B` is an input.
    """

    free: frozenset[Group] = frozenset()
    constant: Mapping[Group, Tensor] = field(default_factory=dict)

    def take(self, lora: LoraBatch | None) -> bool:
        """Return whether the graph can apply the updates of a batch."""
        return all(group in self.free or self.has_constant(group, lora) for group in groups_of(lora))

    def has_constant(self, group: Group, lora: LoraBatch | None) -> bool:
        """Return whether the rows of a batch share the constant `A` of a group."""
        update = (lora or {}).get(group)
        return update is not None and group in self.constant and _is_same(update.A, self.constant[group])

    def digest(self) -> str:
        """Return a hash by which graphs with the same updates are cached."""
        groups = json.dumps([sorted(self.free), sorted(self.constant)])
        hashed = hashlib.sha256(groups.encode())
        for group in sorted(self.constant):
            hashed.update(str(tuple(self.constant[group].shape)).encode())
            hashed.update(self.constant[group].contiguous().numpy().data)
        return hashed.hexdigest()[:32]


def groups_of(lora: LoraBatch | None) -> set[Group]:
    """Return the groups of which some linear layer has an update."""
    return {(layer, _FIRST[name]) for layer, name in lora or {}}


def first_updates(lora: LoraBatch | None) -> GraphUpdates:
    """Return the updates of a graph that is made for a batch."""
    constant = {
        (layer, name): update.A
        for (layer, name), update in (lora or {}).items()
        if (name,) in LINEAR_GROUPS and update.A.dim() == 2 and find_row_grid(update.A) is not None
    }
    return GraphUpdates(frozenset(groups_of(lora) - set(constant)), constant)


def wider_updates(known: GraphUpdates, lora: LoraBatch | None, num_layers: int) -> GraphUpdates:
    """Return the updates of a graph that takes those of any batch, with a constant `A` where one is known."""
    everywhere = frozenset((layer, group[0]) for layer in range(num_layers) for group in LINEAR_GROUPS)
    return GraphUpdates(everywhere, {**first_updates(lora).constant, **known.constant})


def factor_names(group: Group) -> tuple[str, str]:
    """Return the names of the inputs for a free update.

    `A` is `[in, R]` or `[N, in, R]`, `B` is `[R, out]` or `[N, R, out]`.
    """
    return f"A.{group[0]}.{group[1]}", f"B.{group[0]}.{group[1]}"


def constant_factor_name(group: Group) -> str:
    """Return the name of the input for the `B`, `[R, out]` or `[N, R, out]`, of a constant `A`."""
    return f"constant.B.{group[0]}.{group[1]}"


def update_inputs(base: BaseLM, updates: GraphUpdates, lora: LoraBatch | None) -> Iterator[tuple[str, Tensor]]:
    """Yield the names and values of the inputs that stand for the updates of a batch."""
    for group, A in updates.constant.items():
        is_used = updates.has_constant(group, lora)
        size = base.linear(*group).out_features
        B = _active_factor(lora[group]) if is_used and lora else torch.zeros(1, len(A), size)
        yield constant_factor_name(group), _without_rows(B).contiguous()
    for layer, first in updates.free:
        names = next(group for group in LINEAR_GROUPS if group[0] == first)
        is_done = updates.has_constant((layer, first), lora)
        own = [None if is_done else (lora or {}).get((layer, name)) for name in names]
        linears = [base.linear(layer, name) for name in names]
        factors = joint_update(own, linears[0].in_features, [linear.out_features for linear in linears])
        yield from zip(factor_names((layer, first)), factors, strict=True)


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
        return torch.zeros(width, 1), torch.zeros(1, sum(sizes))
    factors = [None if update is None else _active_factor(update) for update in updates]
    A_rows = max(1 if update.A.dim() == 2 else len(update.A) for update in present)
    B_rows = max(len(factor) for factor in factors if factor is not None)
    rank = sum(update.A.shape[-2] for update in present)
    A, B = torch.zeros(A_rows, width, rank), torch.zeros(B_rows, rank, sum(sizes))
    row = column = 0
    for update, factor, size in zip(updates, factors, sizes, strict=True):
        if update is not None and factor is not None:
            own = slice(row, row + update.A.shape[-2])
            A[:, :, own] = update.A.transpose(-1, -2)
            B[:, own, column : column + size] = factor
            row = own.stop
        column += size
    return _without_rows(A), _without_rows(B)


def _active_factor(update: LoraTensors) -> Tensor:
    """`B [1 or N, R, out]`, zero for rows without the update."""
    return update.B if update.active is None else update.B * update.active.view(-1, 1, 1)


def _without_rows(factor: Tensor) -> Tensor:
    """Drop the dimension of the rows where they share one factor, which is then read once for all of them."""
    return factor[0] if len(factor) == 1 else factor


def _is_same(A: Tensor, other: Tensor) -> bool:
    return (A.data_ptr() == other.data_ptr() and A.shape == other.shape) or torch.equal(A, other)
