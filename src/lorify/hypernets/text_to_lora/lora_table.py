"""LoRA weights of all adapted blocks, and tables of them that belong to a hypernetwork.

Shape letters: L adapted blocks, r rank, i input and o output features of a linear layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lorify.hypernets.adapted_modules import AdaptedModule
from lorify.hypernets.text_to_lora.config import TaskConfig


@dataclass(frozen=True)
class LoraStack:
    """LoRA weights of one module in all adapted blocks.

    Attributes:
        A: `[.., L, r, i]`.
        B: `[.., L, o, r]`.
    """

    A: Tensor
    B: Tensor


class LoraTable(nn.Module):
    """One LoRA for every adapted linear layer, stored with the hypernetwork."""

    def __init__(self, modules: Sequence[AdaptedModule], num_layers: int, rank: int, *, learned: bool) -> None:
        """Start at zero."""
        super().__init__()

        def zeros(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(num_layers, *shape), requires_grad=learned)

        self.A = nn.ParameterDict({m.name: zeros(rank, m.in_features) for m in modules})
        self.B = nn.ParameterDict({m.name: zeros(m.out_features, rank) for m in modules})

    def __getitem__(self, module: str) -> LoraStack:
        """The weights of one module: `A [L, r, i]`, `B [L, o, r]`."""
        return LoraStack(self.A[module], self.B[module])

    def initialize(self) -> None:
        """Draw A uniformly from ±1/√(input features), as PEFT does; B is unchanged, zero in a new table."""
        for A in self.A.values():
            bound = 1 / math.sqrt(A.shape[-1])
            nn.init.uniform_(A, -bound, bound)

    @torch.no_grad()
    def fill(self, values: Mapping[str, LoraStack]) -> None:
        """Copy weights into the table; `values` has the weights of every module."""
        for name in self.A:
            self.A[name].copy_(values[name].A)
            self.B[name].copy_(values[name].B)


class OutputTransform(nn.Module):
    """Maps the heads' outputs to LoRA weights: `offset + mean + deviation * output_scale * output`, elementwise.

    Mean and deviation are those of a library of trained LoRAs, if the config is `standardized`. The offset is one LoRA
    that is added to every generated one.
    """

    def __init__(self, config: TaskConfig) -> None:
        """Start with mean and offset zero, and deviation one."""
        super().__init__()
        shape = (config.modules, len(config.layers), config.rank)
        self.scale = config.output_scale
        self.mean = LoraTable(*shape, learned=False) if config.standardized else None
        self.deviation = LoraTable(*shape, learned=False) if config.standardized else None
        self.offset = LoraTable(*shape, learned=config.offset == "learned") if config.offset != "none" else None
        if self.deviation is not None:
            for parameter in self.deviation.parameters():
                nn.init.ones_(parameter)

    def forward(self, module: str, written: LoraStack) -> LoraStack:
        """Compute the LoRA weights of one module in all adapted blocks.

        Args:
            module: name of the module.
            written: the heads' outputs, A `[.., L, r, i]` and B `[.., L, o, r]`.

        Returns:
            Weights of the same shapes.
        """
        A, B = written.A, written.B
        if self.scale != 1:
            A, B = A * self.scale, B * self.scale
        if self.mean is not None and self.deviation is not None:
            mean, deviation = self.mean[module], self.deviation[module]
            A, B = A * deviation.A + mean.A, B * deviation.B + mean.B
        if self.offset is not None:
            A, B = A + self.offset[module].A, B + self.offset[module].B
        return LoraStack(A, B)
