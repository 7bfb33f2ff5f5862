"""LoRA updates applied to a running base model, with a different update for each row of the batch.

Hooks are installed once, when the base is loaded. They add the `LoraBatch` that `LoraHooks.applied` has made current.
The current batch is held in a context variable, so threads and tasks that share a base never see each other's
updates. The base's own weights are neither changed nor copied.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class LoraTensors:
    """Low-rank update of one linear layer for a whole batch: `y += (x @ A^T) @ B`, with the scaling folded into `B`.

    Attributes:
        A: `[r, d_in]` (shared by all rows) or `[batch, r, d_in]`.
        B: `[batch, r, d_out]`; a leading 1 broadcasts over the batch.
        owner: for a single packed sequence: `[tokens]`, the index of the update that each token gets. None if each
            row of the batch has its own update.
        active: `[batch]`, 1 for rows that get the update and 0 for the others; None if all rows get it.
        dropout: fraction of the inputs that is dropped in training.
    """

    A: Tensor
    B: Tensor
    owner: Tensor | None = None
    active: Tensor | None = None
    dropout: float = 0.0

    def delta(self, x: Tensor) -> Tensor:
        """Compute the update `[batch, tokens, d_out]` for inputs `x` `[batch, tokens, d_in]`."""
        if self.dropout:
            x = F.dropout(x, self.dropout)
        if self.owner is not None:
            # All updates are computed side by side; the mask on `low` then keeps only each token's own update.
            low = x @ self.A.to(x.dtype).flatten(0, 1).T  # [1, tokens, updates*r]
            updates = torch.arange(len(self.A), device=x.device).repeat_interleave(self.A.shape[1])
            return (low * (self.owner.unsqueeze(1) == updates)) @ self.B.to(x.dtype).flatten(0, 1)
        low = x @ self.A.to(x.dtype).transpose(-1, -2)  # [batch, tokens, r]
        if self.active is not None:
            low = low * self.active.to(x.dtype).view(-1, 1, 1)
        return low @ self.B.to(x.dtype)  # [batch, tokens, d_out]


LoraBatch = Mapping[tuple[int, str], LoraTensors]
"""Maps (block index, module name such as `down_proj`) to the update of that linear layer."""


def stack_ranks(updates: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Sum low-rank updates of one linear layer by stacking their ranks, on the first update's device.

    Args:
        updates: `A [r, d_in]` and `B [d_out, r]` of each, or `B [1, r, d_out]`; the ranks may differ.

    Returns:
        `A` and `B` of the sum, whose rank is the sum of the ranks.
    """
    device = updates[0][0].device
    return torch.cat([A.to(device) for A, _ in updates]), torch.cat([B.to(device) for _, B in updates], dim=1)


def stack_updates(*batches: LoraBatch) -> dict[tuple[int, str], LoraTensors]:
    """Sum updates that are the same for all rows; if several adapt one layer, their ranks are stacked.

    Args:
        batches: the updates, each with `A [r, d_in]` and `B [1, r, d_out]`.
    """
    found: dict[tuple[int, str], list[tuple[Tensor, Tensor]]] = {}
    for batch in batches:
        for key, tensors in batch.items():
            found.setdefault(key, []).append((tensors.A, tensors.B))
    return {key: LoraTensors(*stack_ranks(updates)) for key, updates in found.items()}


def select_rows(batch: LoraBatch | None, rows: Tensor) -> LoraBatch | None:
    """Return the updates of some rows of a batch; a row may be selected several times.

    Args:
        batch: the updates, without `owner`; None if there are none.
        rows: indices of the rows.
    """
    return batch and {key: _select(tensors, rows) for key, tensors in batch.items()}


def _select(tensors: LoraTensors, rows: Tensor) -> LoraTensors:
    assert tensors.owner is None, "updates of a packed sequence have no rows"
    return replace(
        tensors,
        A=tensors.A if tensors.A.dim() == 2 else tensors.A[rows],
        B=tensors.B if len(tensors.B) == 1 else tensors.B[rows],
        active=None if tensors.active is None else tensors.active[rows],
    )


class LoraHooks:
    """Forward hooks that add the current `LoraBatch`, if any, to the outputs of a base model's linear layers."""

    def __init__(self, linears: Mapping[tuple[int, str], nn.Module]) -> None:
        """Install one hook on each linear layer; `linears` maps (block index, module name) to the layer."""
        self._current: ContextVar[LoraBatch | None] = ContextVar(f"lora-{id(self)}", default=None)
        for key, linear in linears.items():
            linear.register_forward_hook(self._hook(key))

    def _hook(self, key: tuple[int, str]):
        def add_update(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
            batch = self._current.get()
            tensors = batch.get(key) if batch is not None else None
            return None if tensors is None else output + tensors.delta(inputs[0])

        return add_update

    @contextmanager
    def applied(self, batch: LoraBatch | None) -> Iterator[None]:
        """Apply `batch` to every forward pass inside the `with` block, in this thread or task only."""
        token = self._current.set(batch)
        try:
            yield
        finally:
            self._current.reset(token)

    @property
    def current(self) -> LoraBatch | None:
        """Return the batch that forward passes currently apply, or None."""
        return self._current.get()


class LoraRows:
    """Updates of a batch whose rows are added and dropped over time, in buffers with spare slots.

    An `A` or `B` that all rows with an update share is stored once. It becomes a buffer with one slot per row when a
    row with a different one is added.
    """

    def __init__(self) -> None:
        """Start without rows."""
        self._adapted: list[bool] = []  # whether each row has an update
        # Shared tensors are `[r, features]`, the others `[slots, r, features]` with unused slots at the end.
        self._buffers: dict[tuple[int, str], LoraTensors] = {}

    @property
    def batch(self) -> LoraBatch | None:
        """Return the updates of the current rows; None if no row has one."""
        return {key: self._filled(buffer) for key, buffer in self._buffers.items()} or None

    def _filled(self, buffer: LoraTensors) -> LoraTensors:
        rows = len(self._adapted)
        A = buffer.A if buffer.A.dim() == 2 else buffer.A[:rows]
        if buffer.B.dim() == 3:
            return LoraTensors(A, buffer.B[:rows])
        active = None if all(self._adapted) else torch.tensor(self._adapted, device=A.device, dtype=A.dtype)
        return LoraTensors(A, buffer.B.unsqueeze(0), active=active)

    def add(self, num_rows: int, lora: LoraBatch | None) -> None:
        """Append `num_rows` rows with the update `lora`; None if they have none."""
        adapted = list(self._adapted)
        self._adapted += [lora is not None] * num_rows
        if lora is None:
            old, new = len(adapted), len(self._adapted)
            self._buffers = {
                key: _with_slots(buffer, old, new, buffer.B.shape[-2]) for key, buffer in self._buffers.items()
            }
            return
        for key, tensors in lora.items():
            if key not in self._buffers:
                self._buffers[key] = _first(tensors, any(adapted))
        for key in self._buffers:
            self._buffers[key] = _joined(self._buffers[key], adapted, num_rows, lora.get(key))

    def drop(self, row: int) -> None:
        """Drop a row and move the last row to its index."""
        last = len(self._adapted) - 1
        self._adapted[row] = self._adapted[last]
        self._adapted.pop()
        if not any(self._adapted):
            self._buffers = {}
        for buffer in self._buffers.values():
            for tensor in (buffer.A, buffer.B):
                if tensor.dim() == 3 and row < last:
                    tensor[row] = tensor[last]

    def swap(self, row: int, other: int) -> None:
        """Swap two rows."""
        self._adapted[row], self._adapted[other] = self._adapted[other], self._adapted[row]
        for buffer in self._buffers.values():
            for tensor in (buffer.A, buffer.B):
                if tensor.dim() == 3:
                    tensor[[row, other]] = tensor[[other, row]]


def _first(tensors: LoraTensors, others: bool) -> LoraTensors:
    """Create the buffer of a layer without updates so far; `others`: some rows have updates in other layers."""
    A = tensors.A if tensors.A.dim() == 2 else tensors.A.new_zeros(0, *tensors.A.shape[1:])
    B = tensors.B[0] if len(tensors.B) == 1 and not others else tensors.B.new_zeros(0, *tensors.B.shape[1:])
    return LoraTensors(A, B)


def _joined(buffer: LoraTensors, adapted: list[bool], num_rows: int, tensors: LoraTensors | None) -> LoraTensors:
    """Append the updates of `num_rows` rows to a buffer.

    Args:
        buffer: updates of the earlier rows.
        adapted: for each earlier row, whether it has an update.
        num_rows: number of rows to append.
        tensors: updates of the new rows; None if they have updates only in other layers.
    """
    A, B = buffer.A, buffer.B
    old, new = len(adapted), len(adapted) + num_rows
    if tensors is not None and A.dim() == 2 and tensors.A.dim() == 2 and torch.equal(A, tensors.A):
        if B.dim() == 2 and len(tensors.B) == 1 and torch.equal(B, tensors.B[0]):
            return buffer
    elif tensors is not None and A.dim() == 2:
        A = A.expand(old, *A.shape)
    if B.dim() == 2:
        B = B * B.new_tensor(adapted).view(-1, 1, 1)
    rank = B.shape[1] if tensors is None else max(B.shape[1], tensors.B.shape[1])
    joined = _with_slots(LoraTensors(A, B), old, new, rank)
    if tensors is not None:
        joined.B[old:new, : tensors.B.shape[1]] = tensors.B
        if joined.A.dim() == 3:
            joined.A[old:new, : tensors.A.shape[-2]] = tensors.A
    return joined


def _with_slots(buffer: LoraTensors, old: int, new: int, rank: int) -> LoraTensors:
    """Make room for rows `old` to `new`, which have no update yet; shared tensors are returned unchanged."""

    def with_slots(tensor: Tensor) -> Tensor:
        if tensor.dim() == 2:
            return tensor
        tensor = _roomy(tensor, old, new, rank)
        tensor[old:new] = 0
        return tensor

    return LoraTensors(with_slots(buffer.A), with_slots(buffer.B))


def _roomy(tensor: Tensor, used: int, rows: int, rank: int) -> Tensor:
    """Grow a tensor `[slots, r, features]` to hold `rows` rows of `rank`, keeping its first `used` rows."""
    slots, own_rank, features = tensor.shape
    if rows <= slots and rank == own_rank:
        return tensor
    grown = tensor.new_zeros(slots if rows <= slots else max(rows, 2 * slots), rank, features)
    grown[: min(used, slots), :own_rank] = tensor[:used]
    return grown
