"""A small transformer over the base's states, for what a token's own state cannot know: what comes after it."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TextDropout(nn.Module):
    """Dropout of the same features at all tokens of a text (Gal and Ghahramani, arXiv 1512.05287); cheap on a CPU."""

    def __init__(self, share: float) -> None:
        """`share` of the features is dropped in training."""
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """`x [N, T, d]` -> `[N, T, d]`."""
        if not self.training or not self.share:
            return x
        return x * F.dropout(x.new_ones(x.shape[0], 1, x.shape[2]), self.share)


class Surroundings(nn.Module):
    """What a text says around each token: a small bidirectional transformer with learned relative positions."""

    NUM_HEADS = 4
    FARTHEST = 48  # tokens farther apart than this share their position bias

    def __init__(self, *, input_size: int, width: int, num_layers: int = 2, dropout: float = 0.0) -> None:
        """Random initial weights.

        Args:
            input_size: of what is said of each token.
            width: of the transformer.
            num_layers: of its blocks.
            dropout: in training, of the input and of what each layer adds.
        """
        super().__init__()
        self.dropout = TextDropout(dropout)
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
        self.position_bias = nn.Parameter(torch.zeros(num_layers, self.NUM_HEADS, 2 * self.FARTHEST + 1))
        self.norm = nn.LayerNorm(width)

    def forward(self, states: Tensor, is_token: Tensor) -> Tensor:
        """`states [N, T, d]`, `is_token [N, T]` (False for padding) -> `[N, T, w]`."""
        N, T, _ = states.shape
        x = self.enter(self.dropout(states))
        width, heads = x.shape[-1], self.NUM_HEADS
        place = torch.arange(T, device=x.device)
        distance = (place[None, :] - place[:, None]).clamp(-self.FARTHEST, self.FARTHEST) + self.FARTHEST  # [T, T]
        hidden = torch.zeros(N, 1, 1, T, device=x.device).masked_fill(~is_token[:, None, None, :], float("-inf"))
        for block, bias in zip(self.blocks, self.position_bias, strict=True):
            parts = cast(nn.ModuleDict, block)
            qkv = parts["qkv"](parts["norm_attention"](x)).view(N, T, 3, heads, width // heads)
            q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [N, heads, T, w / heads]
            seen = (bias[:, distance] + hidden).to(q.dtype)  # [N, heads, T, T]
            attended = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
            x = x + self.dropout(parts["out"](attended.transpose(1, 2).reshape(N, T, width)))
            x = x + self.dropout(parts["down"](F.gelu(parts["up"](parts["norm_mlp"](x)))))
        return self.norm(x)
