"""Trained weights of which each process keeps a full copy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn


class ReplicatedWeights:
    """All weights in each process; gradients are summed over processes.

    `ShardedWeights` extends this class. All processes must make the same calls in the same order.

    Attributes:
        learned: parameters of the module that require a gradient.
        optimized: the tensors that the optimizer updates, in the same order; here the parameters themselves.
    """

    def __init__(self, module: nn.Module, accelerator: Accelerator) -> None:
        """Leave the module unchanged."""
        self.module, self.accelerator = module, accelerator
        self.learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self.optimized = self.learned
        self.device = self.learned[0].device

    def optimized_groups(self, groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Replace the learned parameters in an optimizer's groups by the tensors that it updates."""
        optimized_of = {id(parameter): tensor for parameter, tensor in zip(self.learned, self.optimized, strict=True)}
        return [{**group, "params": [optimized_of[id(p)] for p in group["params"]]} for group in groups]

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Give the module all its weights in the `with` block."""
        yield

    def gather(self) -> None:
        """Load the full weights into the module until the surrounding `gathered` block ends; does nothing here."""

    def sum_gradients(self) -> None:
        """Store the sum of all processes' gradients in `optimized`; the module must be gathered.

        `DistributedDataParallel` only sees calls of the module's `forward`, and objectives also call other methods.
        """
        if self.accelerator.num_processes == 1:
            return
        has_gradient = torch.tensor([float(p.grad is not None) for p in self.learned], device=self.device)
        num_gradients = cast(Tensor, self.accelerator.reduce(has_gradient, "sum")).tolist()
        for index, (parameter, count) in enumerate(zip(self.learned, num_gradients, strict=True)):
            if count:  # in at least one process; a parameter without a gradient in any is left unchanged
                gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                parameter.grad = None  # a sharded parameter keeps only a part of the sum
                self.optimized[index].grad = self.sum_over_processes(gradient)

    def sum_over_processes(self, gradient: Tensor) -> Tensor:
        """Sum a gradient over all processes, in the form of the tensor that the optimizer updates."""
        return cast(Tensor, self.accelerator.reduce(gradient, "sum"))

    def clip_gradients(self, max_norm: float) -> float:
        """Clip the norm of all gradients together.

        Returns:
            The norm before.
        """
        return float(torch.nn.utils.clip_grad_norm_(self.optimized, max_norm))

    def state(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """Return the state of module and optimizer for a checkpoint, in one format, sharded or not.

        Only the main process gets complete tensors.
        """
        return {"hypernetwork": self.module.state_dict(), "optimizer": optimizer.state_dict()}

    def load_state(self, state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> None:
        """Restore the result of `state`.

        Raises:
            Exception: of whatever type torch raises, if the state does not fit.
        """
        self.module.load_state_dict(state["hypernetwork"])
        optimizer.load_state_dict(state["optimizer"])
        for weights, moments in optimizer.state.items():
            for moment in moments.values():
                if moment.ndim and moment.shape != weights.shape:  # torch would only notice in the next step
                    raise ValueError(f"moments of shape {tuple(moment.shape)} for weights {tuple(weights.shape)}")
