"""Trained weights that are split over the processes.

Weights, gradients and optimizer state are split as in FSDP (ZeRO, arXiv 1910.02054, stage 3): each process updates its
part, and weights are complete only while a step's batches or an evaluation use them. PyTorch's `fully_shard` gathers
them layer by layer instead, in hooks around `forward`. That would save more memory, but all processes would have to
make the same calls in the same order. Objectives do not: they call methods other than `forward`, and how often depends
on the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Partial, Shard, distribute_tensor

from lorify.training.engine.replicated_weights import ReplicatedWeights

STEP = "step"
"""The entry in AdamW's state of a weight that does not have the weight's shape."""


class ShardedWeights(ReplicatedWeights):
    """A part of each weight in every process, and complete weights only in `gathered`.

    Weights are split as flat vectors, so that all parts have the same size for any number of processes. Outside of
    `gathered` the module's parameters are empty.
    """

    def __init__(self, module: nn.Module, accelerator: Accelerator) -> None:
        """Split the main process's weights, and empty the module."""
        super().__init__(module, accelerator)
        self._mesh = init_device_mesh(self.device.type, (accelerator.num_processes,))
        self._shapes = [parameter.shape for parameter in self.learned]
        self.optimized = [nn.Parameter(self._shard(parameter)) for parameter in self.learned]
        self._release()

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Give the module all its weights in the `with` block."""
        self.gather()
        try:
            yield
        finally:
            self._release()

    def gather(self) -> None:
        """Give the module all its weights, until a `gathered` block ends."""
        for parameter, part, shape in zip(self.learned, self.optimized, self._shapes, strict=True):
            parameter.data = _full(part).view(shape)

    def sum_over_processes(self, gradient: Tensor) -> Tensor:
        """Sum a gradient over all processes; each gets its part of the sum."""
        addend = DTensor.from_local(gradient.flatten(), self._mesh, [Partial()])
        return addend.redistribute(placements=[Shard(0)])

    def clip_gradients(self, max_norm: float) -> float:
        """Clip the norm of all gradients together.

        Returns:
            The norm before.
        """
        return float(_full(torch.nn.utils.clip_grad_norm_(self.optimized, max_norm)))

    def state(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """Return the state of module and optimizer for a checkpoint, in one format, sharded or not.

        Only the main process gets complete tensors.
        """
        is_main = self.accelerator.is_main_process

        def join(index: int, moment: Tensor) -> Tensor | None:
            complete = _full(moment)  # one at a time on the device
            return complete.view(self._shapes[index]).cpu() if is_main else None

        with self.gathered():
            weights = {name: tensor.cpu() for name, tensor in self.module.state_dict().items() if is_main}
        return {"hypernetwork": weights, "optimizer": self._map_moments(optimizer, optimizer.state_dict(), join)}

    def load_state(self, state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> None:
        """Restore the result of `state`.

        Raises:
            Exception: of whatever type torch raises, if the state does not fit.
        """

        def shard(index: int, moment: Tensor) -> Tensor:
            return self._shard(moment.view(self._shapes[index]))

        with self.gathered(), torch.no_grad():
            self.module.load_state_dict(state["hypernetwork"])
            for parameter, part in zip(self.learned, self.optimized, strict=True):
                part.copy_(self._shard(parameter))
        optimizer.load_state_dict(self._map_moments(optimizer, state["optimizer"], shard))

    def _map_moments(
        self, optimizer: torch.optim.Optimizer, state: Mapping[str, Any], change: Callable[[int, Tensor], Tensor | None]
    ) -> dict[str, Any]:
        """An optimizer's state with changed moments; `change` gets the index of their weight in `learned`."""
        index_of = {id(part): index for index, part in enumerate(self.optimized)}
        order = [index_of[id(part)] for group in optimizer.param_groups for part in group["params"]]
        changed = {
            number: {name: entry if name == STEP else change(order[number], entry) for name, entry in entries.items()}
            for number, entries in state["state"].items()
        }
        return {**state, "state": changed}

    def _shard(self, tensor: Tensor) -> Tensor:
        return distribute_tensor(tensor.detach().flatten().to(self.device), self._mesh, [Shard(0)])

    def _release(self) -> None:
        for parameter in self.learned:
            parameter.data = parameter.data.new_empty(0)


def _full(tensor: Tensor) -> Tensor:
    tensor = tensor.detach()
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
