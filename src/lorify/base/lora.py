"""Low-rank updates of a running base model: a different one for each row of the batch.

Hooks are installed once, when the base is loaded. What they add comes through an explicit handle, a `LoraBatch`
made current by `LoraHooks.applied`; the handle lives in a context variable, so that threads and tasks that share
one base never see each other's weights. The base's own weights are never touched or copied.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True)
class LoraTensors:
    """Low-rank update of one linear layer for a whole batch: `y += (x @ A^T) @ B`, scaling already in `B`.

    Attributes:
        A: `[r, d_in]` (shared by all rows) or `[batch, r, d_in]`.
        B: `[batch, r, d_out]`; a leading 1 broadcasts over the batch.
    """

    A: Tensor
    B: Tensor

    def delta(self, x: Tensor) -> Tensor:
        """Update for inputs `x` `[batch, tokens, d_in]` -> `[batch, tokens, d_out]`."""
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
