"""The Perceiver of Doc-to-LoRA: token features of a context -> a fixed number of vectors.

    x = down(silu(gate(h)) * up(h))                           modality projection, f -> d
    z = resample(latents_1, x)   num_blocks blocks            each: cross-attention to x, then self-attentions
    y = resample(latents_2, z)   one cross-attention          the decoder, one latent per output vector

where a block adds `norm(attention(norm(z), norm(x)))` and then `norm(mlp(norm(z)))` to `z`; all norms are RMS norms.
Self-attention is the same block with `z` instead of `x`, normalized once for both. With shared weights, all blocks
after the first use one cross-attention, and all blocks use the first one's self-attentions.

Source: Doc-to-LoRA (arXiv 2602.15902), section 3; the block is that of Idefics2 (arXiv 2405.02246).

Shape letters: N contexts, T tokens, Q latents, f feature size, d latent size, H heads, K key-value heads, e head size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_EPSILON = 1e-6
EXPANSION = 4  # hidden width of every gated MLP, relative to its input


@dataclass(frozen=True)
class AttentionSizes:
    """Sizes that all attention layers of a Perceiver share.

    Attributes:
        size: width d of latents and source.
        num_heads: query heads.
        num_kv_heads: key and value heads.
        head_size: width of a head.
    """

    size: int
    num_heads: int
    num_kv_heads: int
    head_size: int


def to_unit_rms(x: Tensor) -> Tensor:
    """Divide `[..., size]` by its root mean square, computed in float32."""
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + NORM_EPSILON)).to(x.dtype)


class RmsNorm(nn.Module):
    """Root-mean-square normalization with a learned weight for each feature, computed in float32."""

    def __init__(self, size: int) -> None:
        """Start with weights of one."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize features `[..., size]` over their last dimension."""
        return self.weight * to_unit_rms(x)


class GatedMlp(nn.Module):
    """A gated MLP without biases: `down(silu(gate(x)) * up(x))`."""

    def __init__(self, input_size: int, output_size: int) -> None:
        """Draw random weights; the hidden width is `EXPANSION` times the input's."""
        super().__init__()
        self.gate_proj = nn.Linear(input_size, EXPANSION * input_size, bias=False)
        self.up_proj = nn.Linear(input_size, EXPANSION * input_size, bias=False)
        self.down_proj = nn.Linear(EXPANSION * input_size, output_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map `[..., input_size]` to `[..., output_size]`."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Attention(nn.Module):
    """Grouped-query attention of latents to a source, without positional encoding."""

    def __init__(self, sizes: AttentionSizes) -> None:
        """Draw random weights."""
        super().__init__()
        self.sizes = sizes
        self.q_proj = nn.Linear(sizes.size, sizes.num_heads * sizes.head_size, bias=False)
        self.k_proj = nn.Linear(sizes.size, sizes.num_kv_heads * sizes.head_size, bias=False)
        self.v_proj = nn.Linear(sizes.size, sizes.num_kv_heads * sizes.head_size, bias=False)
        self.o_proj = nn.Linear(sizes.num_heads * sizes.head_size, sizes.size, bias=False)

    def forward(self, latents: Tensor, source: Tensor, mask: Tensor | None, positions: Tensor | None = None) -> Tensor:
        """Attend from latents to a source.

        Args:
            latents: `[N, Q, d]`.
            source: `[N, T, d]`, or with `positions` one sequence `[tokens, d]`.
            mask: `[N, T]`, True where the source may be attended to; None if everywhere.
            positions: `[N, T]`, the tokens of each context in the one sequence.

        Returns:
            `[N, Q, d]`.
        """
        N, Q, _ = latents.shape
        H, K, e = self.sizes.num_heads, self.sizes.num_kv_heads, self.sizes.head_size
        keys, values = self.k_proj(source), self.v_proj(source)
        if positions is not None:
            keys, values = keys[positions], values[positions]
        q = self.q_proj(latents).view(N, Q, H, e).transpose(1, 2)  # [N, H, Q, e]
        k = keys.view(N, -1, K, e).transpose(1, 2)  # [N, K, T, e]
        v = values.view(N, -1, K, e).transpose(1, 2)
        visible = None if mask is None else mask[:, None, None, :]
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=visible, enable_gqa=True)  # [N, H, Q, e]
        return self.o_proj(attended.transpose(1, 2).reshape(N, Q, -1))


class ResamplerLayer(nn.Module):
    """One attention and one MLP, each with a norm before and after it, added to the latents."""

    def __init__(self, sizes: AttentionSizes, *, is_cross: bool) -> None:
        """Draw random weights; cross-attention has a separate norm for its source."""
        super().__init__()
        self.norm_latents = RmsNorm(sizes.size)
        self.norm_source = RmsNorm(sizes.size) if is_cross else None
        self.attention = Attention(sizes)
        self.norm_attended = RmsNorm(sizes.size)
        self.norm_before_mlp = RmsNorm(sizes.size)
        self.mlp = GatedMlp(sizes.size, sizes.size)
        self.norm_after_mlp = RmsNorm(sizes.size)

    def forward(self, latents: Tensor, source: Tensor, mask: Tensor | None, positions: Tensor | None = None) -> Tensor:
        """Update the latents; arguments as for `Attention`. Self-attention ignores the source.

        The source is already normalized to unit root mean square, since all layers that read it share that step.
        """
        queries = self.norm_latents(latents)
        if self.norm_source is None:
            attended = self.attention(queries, queries, None)
        else:
            attended = self.attention(queries, self.norm_source.weight * source, mask, positions)
        latents = latents + self.norm_attended(attended)
        return latents + self.norm_after_mlp(self.mlp(self.norm_before_mlp(latents)))


class Resampler(nn.Module):
    """Learned latents that read a source in several blocks."""

    def __init__(
        self,
        sizes: AttentionSizes,
        *,
        num_latents: int,
        num_blocks: int = 1,
        self_attentions: int = 0,
        shared_weights: bool = False,
    ) -> None:
        """Draw random weights.

        Args:
            sizes: sizes of the attentions.
            num_latents: number of output vectors.
            num_blocks: number of cross-attentions.
            self_attentions: number of self-attentions after each of them.
            shared_weights: whether later blocks share their weights; see the module docstring.
        """
        super().__init__()
        self.latents = nn.Parameter(torch.randn(num_latents, sizes.size))
        distinct_blocks = min(num_blocks, 2) if shared_weights else num_blocks
        self.cross = nn.ModuleList(ResamplerLayer(sizes, is_cross=True) for _ in range(distinct_blocks))
        distinct_groups = min(num_blocks, 1) if shared_weights else num_blocks
        self.within = nn.ModuleList(
            ResamplerLayer(sizes, is_cross=False) for _ in range(distinct_groups * self_attentions)
        )
        self.num_blocks, self.self_attentions = num_blocks, self_attentions
        self.norm = RmsNorm(sizes.size)

    def forward(self, source: Tensor, mask: Tensor | None = None, positions: Tensor | None = None) -> Tensor:
        """Read a source into `[N, Q, d]`; arguments as for `Attention`."""
        num_contexts = len(source if positions is None else positions)
        latents = self.latents.to(source.dtype).expand(num_contexts, -1, -1)
        source = to_unit_rms(source)
        for block in range(self.num_blocks):
            latents = self.cross[min(block, len(self.cross) - 1)](latents, source, mask, positions)
            start = block * self.self_attentions % max(1, len(self.within))
            for index in range(start, start + self.self_attentions):
                latents = self.within[index](latents, source, mask)
        return self.norm(latents)


class Perceiver(nn.Module):
    """Modality projection, resampler and decoder."""

    def __init__(
        self,
        sizes: AttentionSizes,
        *,
        feature_size: int,
        num_latents: int,
        num_outputs: int,
        num_blocks: int,
        self_attentions: int,
        shared_weights: bool,
    ) -> None:
        """Draw random weights.

        Args:
            sizes: sizes of the attentions.
            feature_size: width f of the features.
            num_latents: number of latents of the resampler.
            num_outputs: number of output vectors.
            num_blocks: blocks of the resampler.
            self_attentions: self-attentions in each of them.
            shared_weights: whether later blocks share their weights.
        """
        super().__init__()
        self.projection = GatedMlp(feature_size, sizes.size)
        self.encoder = Resampler(
            sizes,
            num_latents=num_latents,
            num_blocks=num_blocks,
            self_attentions=self_attentions,
            shared_weights=shared_weights,
        )
        self.decoder = Resampler(sizes, num_latents=num_outputs)

    def forward(self, features: Tensor, mask: Tensor, positions: Tensor | None = None) -> Tensor:
        """Read features into vectors.

        Args:
            features: `[N, T, f]`, or with `positions` one sequence `[tokens, f]`.
            mask: `[N, T]`, True for real tokens.
            positions: `[N, T]`, as for `Attention`.

        Returns:
            `[N, num_outputs, d]`.
        """
        return self.decoder(self.encoder(self.projection(features), mask, positions))
