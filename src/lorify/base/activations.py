"""Looking into a running model: what enters its blocks and linear layers, without computing more than is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Activations:
    """What a forward pass left behind.

    Attributes:
        states: block -> its input `[batch, tokens, hidden]` (block 0: the token embeddings).
        inputs: block -> input of the wanted module `[batch, tokens, d_in]`; empty if none was wanted.
    """

    states: dict[int, Tensor]
    inputs: dict[int, Tensor]


@dataclass(frozen=True)
class _Tap:
    """What one call wants, what it has so far, and whether the forward pass ends with that."""

    wanted: frozenset[int]
    module: str | None
    found: Activations
    stops: bool


class _EnoughError(Exception):
    """Ends a forward pass once all that is wanted is known."""


class ActivationHooks:
    """Hooks on the blocks of a model, and on their linear layers, that keep what is asked for.

    They are installed once; what is asked for lives in a context variable, so that threads do not see each other's.
    """

    def __init__(self, blocks: Sequence[nn.Module], linears: Mapping[tuple[int, str], nn.Module]) -> None:
        """Install the hooks; `linears` maps (block, module name) to linear layers."""
        self._tap: ContextVar[_Tap | None] = ContextVar(f"tap-{id(self)}", default=None)
        for index, block in enumerate(blocks):
            # First, so that a sharded block that is not computed is not gathered either.
            block.register_forward_pre_hook(self._block_hook(index), with_kwargs=True, prepend=True)
        for (index, name), linear in linears.items():
            linear.register_forward_pre_hook(self._linear_hook(index, name))

    @torch.no_grad()
    def run(self, forward: Callable[[], object], *, layers: Sequence[int], module: str | None = None) -> Activations:
        """Run the model and keep hidden states; blocks above the highest one wanted are not computed.

        Args:
            forward: runs the model.
            layers: blocks whose inputs are wanted.
            module: linear layer (such as `down_proj`) whose inputs are wanted too.
        """
        tap = _Tap(frozenset(layers), module, Activations({}, {}), stops=True)
        token = self._tap.set(tap)
        try:
            forward()
        except _EnoughError:
            pass
        finally:
            self._tap.reset(token)
        return tap.found

    @contextmanager
    def recorded_inputs(self, layers: Sequence[int], module: str) -> Iterator[dict[int, Tensor]]:
        """Inputs `[batch, tokens, d_in]` of a linear layer, by block, in forward passes inside the `with`."""
        tap = _Tap(frozenset(layers), module, Activations({}, {}), stops=False)
        token = self._tap.set(tap)
        try:
            yield tap.found.inputs
        finally:
            self._tap.reset(token)

    def _block_hook(self, index: int):
        def keep(_module: nn.Module, args: tuple, kwargs: dict) -> None:
            tap = self._tap.get()
            if tap is None or index not in tap.wanted:
                return
            tap.found.states[index] = args[0] if args else kwargs["hidden_states"]
            if tap.stops and tap.module is None and index == max(tap.wanted):
                raise _EnoughError

        return keep

    def _linear_hook(self, index: int, name: str):
        def keep(_module: nn.Module, args: tuple[Tensor, ...]) -> None:
            tap = self._tap.get()
            if tap is None or name != tap.module or index not in tap.wanted:
                return
            tap.found.inputs[index] = args[0]
            if tap.stops and index == max(tap.wanted):
                raise _EnoughError

        return keep
