"""Learned weights over the processes of a run: whole in each of them, or each process keeps a part.

In parts, weights, gradients and optimizer state are split as in FSDP (ZeRO, arXiv 1910.02054, stage 3): each process
updates its part, and weights are whole only while a step's batches or an evaluation use them. PyTorch's `fully_shard`
gathers them layer by layer instead, in hooks around `forward`. That would save more, but all processes have to make the
same calls in the same order then, and objectives do not: they call other methods, and how often depends on the batch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import parse_flag_from_env
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Partial, Shard, distribute_tensor

from lorify.errors import TrainingError

STEP = "step"
"""What AdamW keeps of a weight beside moments of its shape."""


class Weights:
    """Whole weights in each process; gradients are summed over all.

    Attributes:
        learned: parameters of the module that require a gradient.
        optimized: what the optimizer updates, in the same order: here the same.
    """

    def __init__(self, module: nn.Module, accelerator: Accelerator) -> None:
        """Leaves the module as it is."""
        self.module, self.accelerator = module, accelerator
        self.learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self.optimized = self.learned
        self.device = self.learned[0].device

    def as_optimized(self, groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Groups of learned parameters, for the optimizer."""
        of = {id(parameter): part for parameter, part in zip(self.learned, self.optimized, strict=True)}
        return [{**group, "params": [of[id(parameter)] for parameter in group["params"]]} for group in groups]

    @contextmanager
    def whole(self) -> Iterator[None]:
        """In the `with` block the module has all its weights; every process has to enter it."""
        yield

    def gather(self) -> None:
        """Make the module whole until `whole` is left the next time; all processes have to call."""

    def sum_gradients(self) -> None:
        """Leave the sum of all processes' gradients of the module, which has to be whole, in `optimized`.

        Done by hand: a wrapped module would only follow calls of its `forward`, and objectives call other methods too.
        """
        if self.accelerator.num_processes == 1:
            return
        reached = torch.tensor([float(p.grad is not None) for p in self.learned], device=self.device)
        num_reached = cast(Tensor, self.accelerator.reduce(reached, "sum")).tolist()
        for place, (parameter, count) in enumerate(zip(self.learned, num_reached, strict=True)):
            if count:  # by at least one process; what no batch reached stays where it is
                gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                parameter.grad = None  # where it is cut, the whole one is not needed any more
                self.optimized[place].grad = self._summed(gradient)

    def clip_gradients(self, largest_norm: float) -> float:
        """Shorten the gradient of all weights together; its norm before. All processes have to call."""
        return float(_joined(torch.nn.utils.clip_grad_norm_(self.optimized, largest_norm)))

    def state(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """State of module and optimizer for a checkpoint, the same whether in parts or not; all processes have to call.

        Only the main process gets numbers that are complete.
        """
        return {"hypernetwork": self.module.state_dict(), "optimizer": optimizer.state_dict()}

    def load_state(self, state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> None:
        """Take over what `state` gave; all processes have to call.

        Raises:
            Exception: of whatever type torch raises, if it does not fit.
        """
        self.module.load_state_dict(state["hypernetwork"])
        optimizer.load_state_dict(state["optimizer"])
        for weights, moments in optimizer.state.items():
            for moment in moments.values():
                if moment.ndim and moment.shape != weights.shape:  # torch would find out in the next step
                    raise ValueError(f"moments of shape {tuple(moment.shape)} for weights {tuple(weights.shape)}")

    def _summed(self, gradient: Tensor) -> Tensor:
        return cast(Tensor, self.accelerator.reduce(gradient, "sum"))


class ShardedWeights(Weights):
    """A part of each weight in every process, whole weights only in `whole`.

    Weights are cut as flat vectors, so that parts are of one size however many processes there are. Outside of `whole`
    the module's parameters are empty.
    """

    def __init__(self, module: nn.Module, accelerator: Accelerator) -> None:
        """Cut the main process's weights, and empty the module."""
        super().__init__(module, accelerator)
        self._mesh = init_device_mesh(self.device.type, (accelerator.num_processes,))
        self._shapes = [parameter.shape for parameter in self.learned]
        self.optimized = [nn.Parameter(self._cut(parameter)) for parameter in self.learned]
        self._release()

    @contextmanager
    def whole(self) -> Iterator[None]:
        """In the `with` block the module has all its weights; every process has to enter it."""
        self.gather()
        try:
            yield
        finally:
            self._release()

    def gather(self) -> None:
        """Make the module whole until `whole` is left the next time; all processes have to call."""
        for parameter, part, shape in zip(self.learned, self.optimized, self._shapes, strict=True):
            parameter.data = _joined(part).view(shape)

    def state(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """State of module and optimizer for a checkpoint, the same whether in parts or not; all processes have to call.

        Only the main process gets numbers that are complete.
        """

        def joined(place: int, moment: Tensor) -> Tensor | None:
            complete = _joined(moment)  # one at a time on the device
            return complete.view(self._shapes[place]).cpu() if is_main else None

        is_main = self.accelerator.is_main_process
        with self.whole():
            weights = {name: tensor.cpu() for name, tensor in self.module.state_dict().items() if is_main}
        return {"hypernetwork": weights, "optimizer": self._with_moments(optimizer, optimizer.state_dict(), joined)}

    def load_state(self, state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> None:
        """Take over what `state` gave; all processes have to call.

        Raises:
            Exception: of whatever type torch raises, if it does not fit.
        """

        def cut(place: int, moment: Tensor) -> Tensor:
            return self._cut(moment.view(self._shapes[place]))

        with self.whole(), torch.no_grad():
            self.module.load_state_dict(state["hypernetwork"])
            for parameter, part in zip(self.learned, self.optimized, strict=True):
                part.copy_(self._cut(parameter))
        optimizer.load_state_dict(self._with_moments(optimizer, state["optimizer"], cut))

    def _with_moments(
        self, optimizer: torch.optim.Optimizer, state: Mapping[str, Any], change: Callable[[int, Tensor], Tensor | None]
    ) -> dict[str, Any]:
        """An optimizer's state with its moments changed; `change` gets the place of their weight in `learned`."""
        place_of = {id(part): place for place, part in enumerate(self.optimized)}
        in_order = [place_of[id(part)] for group in optimizer.param_groups for part in group["params"]]
        moments = {
            number: {name: m if name == STEP else change(in_order[number], m) for name, m in of_weight.items()}
            for number, of_weight in state["state"].items()
        }
        return {**state, "state": moments}

    def _cut(self, tensor: Tensor) -> Tensor:
        return distribute_tensor(tensor.detach().flatten().to(self.device), self._mesh, [Shard(0)])

    def _summed(self, gradient: Tensor) -> Tensor:
        whole = DTensor.from_local(gradient.flatten(), self._mesh, [Partial()])
        return whole.redistribute(placements=[Shard(0)])

    def _release(self) -> None:
        for parameter in self.learned:
            parameter.data = parameter.data.new_empty(0)


_WORLD_SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
"""How torchrun and the kinds of mpirun say how many processes there are."""


def check_launch() -> None:
    """Refuse what `accelerate launch` can be told and would not be done.

    Raises:
        TrainingError: if it was told to shard by itself, or to start several processes and started one.
    """
    for variable, option in (("ACCELERATE_USE_FSDP", "--use_fsdp"), ("ACCELERATE_USE_DEEPSPEED", "--use_deepspeed")):
        if parse_flag_from_env(variable):
            raise TrainingError(
                f"accelerate launch {option} does nothing for what is trained here; launch without it, and set sharded "
                "to true in the config"
            )
    told_several = {"ACCELERATE_MIXED_PRECISION", "MASTER_ADDR"} <= os.environ.keys()
    if told_several and os.environ.keys().isdisjoint(_WORLD_SIZES):
        raise TrainingError(
            "accelerate launch started one process instead of several, as it does with --cpu; start them with "
            "torchrun --standalone --nproc-per-node N --no-python lorify train ..."
        )


def share_out(module: nn.Module, accelerator: Accelerator, *, sharded: bool) -> Weights:
    """A module's weights over the processes; one process keeps all of them."""
    kind = ShardedWeights if sharded and accelerator.num_processes > 1 else Weights
    return kind(module, accelerator)


def _joined(tensor: Tensor) -> Tensor:
    tensor = tensor.detach()
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
