"""The Perceiver of Doc-to-LoRA: token features of a context -> a fixed number of vectors.

    x = down(silu(gate(h)) * up(h))                           modality projection, d_f -> d
    z = resample(latents_1, x)   num_blocks blocks            each: cross-attention to x, then self-attentions
    y = resample(latents_2, z)   one cross-attention          the decoder, one latent per wanted vector

where a block adds `norm(attention(norm(z), norm(x)))` and then `norm(mlp(norm(z)))` to `z`, all norms being RMS norms.
Self-attention is the same block with `z` in the place of `x`, both normed once. With shared weights, all blocks after
the first use one cross-attention, and all blocks use the first one's self-attentions.

Source: Doc-to-LoRA (arXiv 2602.15902), section 3; the block is that of Idefics2 (arXiv 2405.02246).

Shape letters: N contexts, T tokens, Q latents, f feature size, d latent size, H heads, K key-value heads, e head size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_EPSILON = 1e-6
EXPANSION = 4  # hidden width of every gated MLP, relative to its input


def to_unit_rms(x: Tensor) -> Tensor:
    """`[..., size]` over its root mean square, which is taken in float32."""
    wide = x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + NORM_EPSILON)).to(x.dtype)


class RmsNorm(nn.Module):
    """RMS norm."""

    def __init__(self, size: int) -> None:
        """Weights of one."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        """`[..., size]` -> the same shape."""
        return self.weight * to_unit_rms(x)


class GatedMlp(nn.Module):
    """`down(silu(gate(x)) * up(x))`, without biases."""

    def __init__(self, input_size: int, output_size: int) -> None:
        """Random weights; the hidden width is `EXPANSION` times the input's."""
        super().__init__()
        self.gate_proj = nn.Linear(input_size, EXPANSION * input_size, bias=False)
        self.up_proj = nn.Linear(input_size, EXPANSION * input_size, bias=False)
        self.down_proj = nn.Linear(EXPANSION * input_size, output_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`[..., input_size]` -> `[..., output_size]`."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Attention(nn.Module):
    """Grouped-query attention of latents to a source, without positions."""

    def __init__(self, *, size: int, num_heads: int, num_kv_heads: int, head_size: int) -> None:
        """Random weights."""
        super().__init__()
        self.num_heads, self.num_kv_heads, self.head_size = num_heads, num_kv_heads, head_size
        self.q_proj = nn.Linear(size, num_heads * head_size, bias=False)
        self.k_proj = nn.Linear(size, num_kv_heads * head_size, bias=False)
        self.v_proj = nn.Linear(size, num_kv_heads * head_size, bias=False)
        self.o_proj = nn.Linear(num_heads * head_size, size, bias=False)

    def forward(self, latents: Tensor, source: Tensor, mask: Tensor | None, places: Tensor | None = None) -> Tensor:
        """Latents `[N, Q, d]` look at `source [N, T, d]` where `mask [N, T]` is True -> `[N, Q, d]`.

        With `places [N, T]`, the source is one sequence `[tokens, d]`, and context n is what stands at its places.
        """
        N, Q, _ = latents.shape
        keys, values = self.k_proj(source), self.v_proj(source)
        if places is not None:
            keys, values = keys[places], values[places]
        q = self.q_proj(latents).view(N, Q, self.num_heads, self.head_size).transpose(1, 2)  # [N, H, Q, e]
        k = keys.view(N, -1, self.num_kv_heads, self.head_size).transpose(1, 2)  # [N, K, T, e]
        v = values.view(N, -1, self.num_kv_heads, self.head_size).transpose(1, 2)
        seen = None if mask is None else mask[:, None, None, :]
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, enable_gqa=True)  # [N, H, Q, e]
        return self.o_proj(attended.transpose(1, 2).reshape(N, Q, -1))


class ResamplerLayer(nn.Module):
    """One attention and one MLP, each with a norm before and after it, added to the latents."""

    def __init__(self, *, size: int, num_heads: int, num_kv_heads: int, head_size: int, is_cross: bool) -> None:
        """Random weights; cross-attention has a norm of its own for what it looks at."""
        super().__init__()
        self.norm_latents = RmsNorm(size)
        self.norm_source = RmsNorm(size) if is_cross else None
        self.attention = Attention(size=size, num_heads=num_heads, num_kv_heads=num_kv_heads, head_size=head_size)
        self.norm_attended = RmsNorm(size)
        self.norm_before_mlp = RmsNorm(size)
        self.mlp = GatedMlp(size, size)
        self.norm_after_mlp = RmsNorm(size)

    def forward(self, latents: Tensor, source: Tensor, mask: Tensor | None, places: Tensor | None = None) -> Tensor:
        """Latents `[N, Q, d]` and, for cross-attention, a source with mask and places (`Attention`) -> `[N, Q, d]`.

        The source is of unit root mean square already: that is the same in all layers that read it.
        """
        queries = self.norm_latents(latents)
        if self.norm_source is None:
            attended = self.attention(queries, queries, None)
        else:
            attended = self.attention(queries, self.norm_source.weight * source, mask, places)
        latents = latents + self.norm_attended(attended)
        return latents + self.norm_after_mlp(self.mlp(self.norm_before_mlp(latents)))


class Resampler(nn.Module):
    """Learned latents that read a source in several blocks."""

    def __init__(
        self,
        *,
        size: int,
        num_latents: int,
        num_heads: int,
        num_kv_heads: int,
        head_size: int,
        num_blocks: int = 1,
        self_attentions: int = 0,
        shared_weights: bool = False,
    ) -> None:
        """Random weights.

        Args:
            size: width of latents and source.
            num_latents: how many vectors come out.
            num_heads: query heads.
            num_kv_heads: key and value heads.
            head_size: width of a head.
            num_blocks: cross-attentions.
            self_attentions: self-attentions after each of them.
            shared_weights: later blocks share their weights; see the module's docstring.
        """
        super().__init__()
        self.latents = nn.Parameter(torch.randn(num_latents, size))

        def layer(*, is_cross: bool) -> ResamplerLayer:
            return ResamplerLayer(
                size=size, num_heads=num_heads, num_kv_heads=num_kv_heads, head_size=head_size, is_cross=is_cross
            )

        distinct_blocks = min(num_blocks, 2) if shared_weights else num_blocks
        self.cross = nn.ModuleList(layer(is_cross=True) for _ in range(distinct_blocks))
        own_attentions = min(num_blocks, 1) if shared_weights else num_blocks
        self.within = nn.ModuleList(
            layer(is_cross=False) for _ in range(own_attentions) for _ in range(self_attentions)
        )
        self.num_blocks, self.self_attentions = num_blocks, self_attentions
        self.norm = RmsNorm(size)

    def forward(self, source: Tensor, mask: Tensor | None = None, places: Tensor | None = None) -> Tensor:
        """`source [N, T, d]`, `mask [N, T]` True for what may be seen -> `[N, Q, d]`; `places` as in `Attention`."""
        num_contexts = len(source if places is None else places)
        latents = self.latents.to(source.dtype).expand(num_contexts, -1, -1)
        source = to_unit_rms(source)
        for block in range(self.num_blocks):
            latents = self.cross[min(block, len(self.cross) - 1)](latents, source, mask, places)
            start = block * self.self_attentions % max(1, len(self.within))
            for index in range(start, start + self.self_attentions):
                latents = self.within[index](latents, source, mask)
        return self.norm(latents)


class Perceiver(nn.Module):
    """Modality projection, resampler and decoder."""

    def __init__(
        self,
        *,
        feature_size: int,
        size: int,
        num_latents: int,
        num_outputs: int,
        num_heads: int,
        num_kv_heads: int,
        head_size: int,
        num_blocks: int,
        self_attentions: int,
        shared_weights: bool,
    ) -> None:
        """Random weights; `num_outputs` vectors come out, for the other arguments see `Resampler`."""
        super().__init__()
        self.projection = GatedMlp(feature_size, size)
        self.encoder = Resampler(
            size=size,
            num_latents=num_latents,
            num_blocks=num_blocks,
            self_attentions=self_attentions,
            shared_weights=shared_weights,
            num_heads=num_heads,
            num_kv_heads=num_kv_heads,
            head_size=head_size,
        )
        self.decoder = Resampler(
            size=size, num_latents=num_outputs, num_heads=num_heads, num_kv_heads=num_kv_heads, head_size=head_size
        )

    def forward(self, features: Tensor, mask: Tensor, places: Tensor | None = None) -> Tensor:
        """`features [N, T, f]`, `mask [N, T]` True for real tokens -> `[N, num_outputs, d]`.

        With `places [N, T]`, the features are one sequence `[tokens, f]` (see `Attention`).
        """
        return self.decoder(self.encoder(self.projection(features), mask, places))
