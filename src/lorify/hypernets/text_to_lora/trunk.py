"""Parts of the Text-to-LoRA network between the task encoder and the heads.

Shape letters: L adapted blocks, w trunk width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorify.hypernets.text_to_lora.encoders import DROPOUT, perceptron

ROTARY_BASE = 10_000.0


class LayerModuleEmbedding(nn.Module):
    """Embedding of a linear layer by its block and its module: learned, or one-hot."""

    def __init__(self, num_layers: int, num_modules: int, size: int | None) -> None:
        """Draw embeddings of `size` each for block and module; one-hot codes if `size` is None."""
        super().__init__()
        self.num_layers, self.num_modules = num_layers, num_modules
        if size is not None:
            self.layer = nn.Sequential(nn.Embedding(num_layers, size), nn.LayerNorm(size))
            self.module = nn.Sequential(nn.Embedding(num_modules, size), nn.LayerNorm(size))
        self.learned = size is not None

    def forward(self, module_index: int, like: Tensor) -> Tensor:
        """Embed one module in all adapted blocks.

        Args:
            module_index: index of the module among the adapted ones.
            like: a tensor whose device the result has, and its dtype if the embedding is one-hot.

        Returns:
            The embeddings of block and module, concatenated `[L, block + module]`.
        """
        layers = torch.arange(self.num_layers, device=like.device)
        modules = torch.full_like(layers, module_index)
        if self.learned:
            return torch.cat([self.layer(layers), self.module(modules)], dim=-1)
        layer, module = F.one_hot(layers, self.num_layers), F.one_hot(modules, self.num_modules)
        return torch.cat([layer, module], dim=-1).to(like.dtype)


class ResidualBlock(nn.Module):
    """`x + MLP(norm(x))`."""

    def __init__(self, width: int) -> None:
        """Draw random weights."""
        super().__init__()
        self.net = nn.Sequential(
            nn.LayerNorm(width), *perceptron(width, 4 * width, width), nn.SiLU(), nn.Dropout(DROPOUT)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Transform features `[..., w]` to features of the same shape."""
        return x + self.net(x)


def rotate_positions(x: Tensor) -> Tensor:
    """Apply a rotary position embedding to `[.., positions, w]`; each half of the width is paired with the other."""
    positions, width = x.shape[-2:]
    frequencies = ROTARY_BASE ** -(torch.arange(0, width, 2, device=x.device).float() / width)
    angles = torch.outer(torch.arange(positions, device=x.device).float(), frequencies)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)  # [positions, w / 2]
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
