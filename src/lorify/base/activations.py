"""Hooks that record the inputs of a model's blocks and linear layers, without running blocks that are not needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Activations:
    """Activations recorded during a forward pass.

    Attributes:
        states: block index -> input of the block `[batch, tokens, hidden]` (for block 0 the token embeddings).
        inputs: block index -> input of the requested linear layer `[batch, tokens, d_in]`; empty if none was
            requested.
    """

    states: dict[int, Tensor]
    inputs: dict[int, Tensor]


@dataclass(frozen=True)
class _Recording:
    """The activations that one call requests, what is recorded so far, and whether to stop once all are recorded."""

    layers: frozenset[int]
    module: str | None
    found: Activations
    stops: bool


@dataclass(frozen=True)
class _Replacement:
    """Hidden states `[n, hidden]` that replace the input of block `layer` from token `start` on."""

    layer: int
    start: int
    states: Tensor

    def applied(self, hidden: Tensor) -> Tensor:
        end = self.start + len(self.states)
        states = self.states.to(hidden).expand(len(hidden), -1, -1)
        return torch.cat([hidden[:, : self.start], states, hidden[:, end:]], dim=1)


@dataclass(frozen=True)
class BlockCall:
    """The arguments of a call of a block.

    Attributes:
        hidden: hidden states `[batch, tokens, hidden]`.
        args: positional arguments after them.
        kwargs: all other keyword arguments.
    """

    hidden: Tensor
    args: tuple
    kwargs: dict[str, object]


class _StopForward(Exception):
    """Ends a forward pass once all requested activations are recorded."""


class ActivationHooks:
    """Hooks that record the inputs of a model's blocks and of their linear layers on request.

    The hooks are installed once. The current request is held in a context variable, so threads do not affect each
    other.
    """

    def __init__(self, blocks: Sequence[nn.Module], linears: Mapping[tuple[int, str], nn.Module]) -> None:
        """Install the hooks; `linears` maps (block index, module name) to linear layers."""
        self._current: ContextVar[_Recording | None] = ContextVar(f"recording-{id(self)}", default=None)
        self._last: ContextVar[list[Tensor] | None] = ContextVar(f"last-{id(self)}", default=None)
        self._replaced: ContextVar[_Replacement | None] = ContextVar(f"replaced-{id(self)}", default=None)
        self._calls: ContextVar[dict[int, BlockCall] | None] = ContextVar(f"calls-{id(self)}", default=None)
        blocks[-1].register_forward_hook(self._detach_last)
        for index, block in enumerate(blocks):
            # Prepended, so that the forward pass can stop before FSDP gathers a sharded block that is not needed.
            block.register_forward_pre_hook(self._block_hook(index), with_kwargs=True, prepend=True)
        for (index, name), linear in linears.items():
            linear.register_forward_pre_hook(self._linear_hook(index, name))

    @torch.no_grad()
    def run(self, forward: Callable[[], object], *, layers: Sequence[int], module: str | None = None) -> Activations:
        """Run a forward pass and return the requested activations.

        Blocks above the highest requested one are not computed.

        Args:
            forward: runs the model.
            layers: indices of the blocks whose inputs to record.
            module: linear layer of these blocks, such as `down_proj`, whose inputs to record too.
        """
        recording = _Recording(frozenset(layers), module, Activations({}, {}), stops=True)
        token = self._current.set(recording)
        try:
            forward()
        except _StopForward:
            pass
        finally:
            self._current.reset(token)
        return recording.found

    @contextmanager
    def recorded_inputs(self, layers: Sequence[int], module: str) -> Iterator[dict[int, Tensor]]:
        """Record the inputs of a linear layer in forward passes inside the `with` block.

        Args:
            layers: indices of the blocks.
            module: linear layer of these blocks, such as `down_proj`.

        Yields:
            Block index -> inputs `[batch, tokens, d_in]` of the latest forward pass.
        """
        recording = _Recording(frozenset(layers), module, Activations({}, {}), stops=False)
        token = self._current.set(recording)
        try:
            yield recording.found.inputs
        finally:
            self._current.reset(token)

    @contextmanager
    def detached_last_block(self) -> Iterator[list[Tensor]]:
        """Let gradients of forward passes inside the `with` block end at the output of the last block.

        Yields:
            The output of the last block in each forward pass `[batch, tokens, hidden]`, a leaf that takes a gradient.
        """
        outputs: list[Tensor] = []
        token = self._last.set(outputs)
        try:
            yield outputs
        finally:
            self._last.reset(token)

    @contextmanager
    def replaced_states(self, layer: int, start: int, states: Tensor) -> Iterator[None]:
        """Replace hidden states in forward passes inside the `with` block.

        Args:
            layer: index of the block whose input is replaced.
            start: the first token to replace, in every row.
            states: the new states, from that token on `[n, hidden]`.
        """
        token = self._replaced.set(_Replacement(layer, start, states))
        try:
            yield
        finally:
            self._replaced.reset(token)

    @contextmanager
    def recorded_calls(self) -> Iterator[dict[int, BlockCall]]:
        """Record the arguments of all block calls in forward passes inside the `with` block.

        Yields:
            Block index -> the latest call.
        """
        calls: dict[int, BlockCall] = {}
        token = self._calls.set(calls)
        try:
            yield calls
        finally:
            self._calls.reset(token)

    def _detach_last(self, _module: nn.Module, _args: tuple, output: Tensor | tuple) -> Tensor | tuple | None:
        outputs = self._last.get()
        if outputs is None:
            return None
        first, *others = output if isinstance(output, tuple) else (output,)
        outputs.append(first.detach().requires_grad_())
        return (outputs[-1], *others) if isinstance(output, tuple) else outputs[-1]

    def _block_hook(self, index: int):
        def before_block(_module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
            recording, replacement, calls = self._current.get(), self._replaced.get(), self._calls.get()
            if recording is None and replacement is None and calls is None:
                return None
            hidden = args[0] if args else kwargs["hidden_states"]
            if calls is not None:
                rest = {name: value for name, value in kwargs.items() if name != "hidden_states"}
                calls[index] = BlockCall(hidden, args[1:], rest)
            changed = None
            if replacement is not None and replacement.layer == index:
                hidden = replacement.applied(hidden)
                changed = ((hidden, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": hidden})
            if recording is not None and index in recording.layers:
                recording.found.states[index] = hidden
                if recording.stops and recording.module is None and index == max(recording.layers):
                    raise _StopForward
            return changed

        return before_block

    def _linear_hook(self, index: int, name: str):
        def record(_module: nn.Module, args: tuple[Tensor, ...]) -> None:
            recording = self._current.get()
            if recording is None or name != recording.module or index not in recording.layers:
                return
            recording.found.inputs[index] = args[0]
            if recording.stops and index == max(recording.layers):
                raise _StopForward

        return record
