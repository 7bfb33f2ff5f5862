"""A small bidirectional transformer over the base's hidden states.

The base reads from left to right, so a token's own state has no information about what follows. This encoder's has.

Shape letters: N texts, T tokens, d input size, w width.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class VariationalDropout(nn.Module):
    """Dropout with the same mask at all tokens of a text, which is cheap to draw on a CPU.

    Source: Gal and Ghahramani, arXiv 1512.05287.
    """

    def __init__(self, probability: float) -> None:
        """Drop each feature with this probability in training."""
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """Map `[N, T, d]` to `[N, T, d]`."""
        if not self.training or not self.probability:
            return x
        return x * F.dropout(x.new_ones(x.shape[0], 1, x.shape[2]), self.probability)


class BidirectionalEncoder(nn.Module):
    """A pre-norm transformer encoder with learned relative position biases."""

    NUM_HEADS = 4
    MAX_DISTANCE = 48
    """Tokens farther apart than this share their position bias."""

    def __init__(self, *, input_size: int, width: int, num_layers: int = 2, dropout: float = 0.0) -> None:
        """Draw random initial weights.

        Args:
            input_size: features of each token.
            width: width of the transformer.
            num_layers: number of its blocks.
            dropout: dropout probability of the input and of each residual branch, in training.
        """
        super().__init__()
        self.dropout = VariationalDropout(dropout)
        # The names below occur in saved weights.
        self.enter = nn.Linear(input_size, width)
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "norm_attention": nn.LayerNorm(width),
                    "qkv": nn.Linear(width, 3 * width),
                    "out": nn.Linear(width, width),
                    "norm_mlp": nn.LayerNorm(width),
                    "up": nn.Linear(width, 2 * width),
                    "down": nn.Linear(2 * width, width),
                }
            )
            for _ in range(num_layers)
        )
        self.position_bias = nn.Parameter(torch.zeros(num_layers, self.NUM_HEADS, 2 * self.MAX_DISTANCE + 1))
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor, is_token: Tensor) -> Tensor:
        """Encode texts.

        Args:
            features: `[N, T, d]`.
            is_token: `[N, T]`, False for padding.

        Returns:
            `[N, T, w]`.
        """
        T = features.shape[1]
        x = self.enter(self.dropout(features))
        position = torch.arange(T, device=x.device)
        distance = (position[None, :] - position[:, None]).clamp(-self.MAX_DISTANCE, self.MAX_DISTANCE)  # [T, T]
        padding = torch.zeros(len(x), 1, 1, T, device=x.device)
        padding = padding.masked_fill(~is_token[:, None, None, :], float("-inf"))
        for block, bias in zip(self.blocks, self.position_bias, strict=True):
            layers = cast(nn.ModuleDict, block)
            x = x + self.dropout(self._attend(layers, x, bias[:, distance + self.MAX_DISTANCE] + padding))
            x = x + self.dropout(layers["down"](F.gelu(layers["up"](layers["norm_mlp"](x)))))
        return self.norm(x)

    def _attend(self, layers: nn.ModuleDict, x: Tensor, bias: Tensor) -> Tensor:
        """Self-attention of `x [N, T, w]` with the additive mask `bias [N, heads, T, T]`."""
        N, T, width = x.shape
        qkv = layers["qkv"](layers["norm_attention"](x)).view(N, T, 3, self.NUM_HEADS, width // self.NUM_HEADS)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [N, heads, T, w / heads]
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        return layers["out"](attended.transpose(1, 2).reshape(N, T, width))
