"""Low-rank updates of a running base model: a different one for each row of the batch.

Hooks are installed once, when the base is loaded. What they add comes through an explicit handle, a `LoraBatch`
made current by `LoraHooks.applied`; the handle lives in a context variable, so that threads and tasks that share
one base never see each other's weights. The base's own weights are never touched or copied.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class LoraTensors:
    """Low-rank update of one linear layer for a whole batch: `y += (x @ A^T) @ B`, scaling already in `B`.

    Attributes:
        A: `[r, d_in]` (shared by all rows) or `[batch, r, d_in]`.
        B: `[batch, r, d_out]`; a leading 1 broadcasts over the batch.
        owner: None for a row of the batch each; or, with `A` of every update, `[tokens]`: which update each token of a
            single packed sequence gets.
    """

    A: Tensor
    B: Tensor
    owner: Tensor | None = None

    def delta(self, x: Tensor) -> Tensor:
        """Update for inputs `x` `[batch, tokens, d_in]` -> `[batch, tokens, d_out]`."""
        if self.owner is not None:
            # All updates side by side, and of the small vectors between A and B only each token's own part is kept.
            low = x @ self.A.to(x.dtype).flatten(0, 1).T  # [1, tokens, updates*r]
            updates = torch.arange(len(self.A), device=x.device).repeat_interleave(self.A.shape[1])
            return (low * (self.owner.unsqueeze(1) == updates)) @ self.B.to(x.dtype).flatten(0, 1)
        low = x @ self.A.to(x.dtype).transpose(-1, -2)  # [batch, tokens, r]
        return low @ self.B.to(x.dtype)  # [batch, tokens, d_out]


LoraBatch = Mapping[tuple[int, str], LoraTensors]
"""(layer index, module name such as `down_proj`) -> the update of that linear layer."""


class LoraHooks:
    """Forward hooks on the linear layers of a base model that add the current `LoraBatch`, if there is one."""

    def __init__(self, linears: Mapping[tuple[int, str], nn.Module]) -> None:
        """Install one hook on each linear layer; `linears` maps (layer, module name) to the module."""
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
        """Add `batch` to every forward pass inside the `with` block, in this thread or task only."""
        token = self._current.set(batch)
        try:
            yield
        finally:
            self._current.reset(token)

    @property
    def current(self) -> LoraBatch | None:
        """The batch that forward passes add now, or None."""
        return self._current.get()


class LoraRows:
    """The updates of a batch whose rows come and go, in buffers with room for more rows.

    An `A` that all rows with an update share is kept once; the first row with another one makes it a buffer too.
    """

    def __init__(self) -> None:
        """Start without rows."""
        self._adapted: list[bool] = []  # of each row: whether it has an update
        self._buffers: dict[tuple[int, str], LoraTensors] = {}  # B, and A if it is not shared, have unused rows

    @property
    def batch(self) -> LoraBatch | None:
        """The updates of the rows there are, None if no row has one."""
        rows = len(self._adapted)
        return {
            key: LoraTensors(buffer.A if buffer.A.dim() == 2 else buffer.A[:rows], buffer.B[:rows])
            for key, buffer in self._buffers.items()
        } or None

    def add(self, num_rows: int, lora: LoraBatch | None) -> None:
        """More rows, after those there are; None: without updates."""
        old, new = len(self._adapted), len(self._adapted) + num_rows
        self._adapted += [lora is not None] * num_rows
        for key, tensors in (lora or {}).items():
            if key not in self._buffers:
                _, rank, d_out = tensors.B.shape
                self._buffers[key] = LoraTensors(tensors.A, tensors.B.new_zeros(new, rank, d_out))
                if tensors.A.dim() == 3:
                    empty = tensors.A.new_zeros(new, rank, tensors.A.shape[-1])
                    self._buffers[key] = LoraTensors(empty, self._buffers[key].B)
        for key in self._buffers:
            self._buffers[key] = _joined(self._buffers[key], old, new, (lora or {}).get(key))

    def drop(self, row: int) -> None:
        """Forget a row; the last row takes its place."""
        last = len(self._adapted) - 1
        self._adapted[row] = self._adapted[last]
        self._adapted.pop()
        if not any(self._adapted):
            self._buffers = {}
        for buffer in self._buffers.values():
            for tensor in (buffer.A, buffer.B):
                if tensor.dim() == 3 and row < last:
                    tensor[row] = tensor[last]


def _joined(buffer: LoraTensors, old: int, new: int, tensors: LoraTensors | None) -> LoraTensors:
    """A buffer with the updates of rows `old` to `new`; None: these rows have none."""
    A, B = buffer.A, buffer.B
    rank = B.shape[1] if tensors is None else max(B.shape[1], tensors.B.shape[1])
    B = _roomy(B, old, new, rank)
    if tensors is not None and A.dim() == 2 and not (tensors.A.dim() == 2 and torch.equal(A, tensors.A)):
        A = A.expand(old, *A.shape)
    if A.dim() == 3:
        A = _roomy(A, old, new, rank)
        A[old:new] = 0
    B[old:new] = 0
    if tensors is not None:
        B[old:new, : tensors.B.shape[1]] = tensors.B
        if A.dim() == 3:
            A[old:new, : tensors.A.shape[-2]] = tensors.A
    return LoraTensors(A, B)


def _roomy(tensor: Tensor, used: int, rows: int, rank: int) -> Tensor:
    """A tensor `[slots, r, features]` with its `used` rows, and room for `rows` of this rank."""
    slots, own_rank, features = tensor.shape
    if rows <= slots and rank == own_rank:
        return tensor
    grown = tensor.new_zeros(slots if rows <= slots else max(rows, 2 * slots), rank, features)
    grown[:used, :own_rank] = tensor[:used]
    return grown
