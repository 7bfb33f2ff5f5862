"""Transformer blocks of Llama-like models for decoding one token per row, written directly on the weight tensors.

They do the same arithmetic as the Hugging Face model without the overhead of its modules, masks and hooks. That
overhead dominates the run time of a small model at batch size 1.

Shapes: N decoded rows, T positions, D hidden size, H query heads, K key/value heads, C channels per head,
R rank of an update.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorify.base.decoding.cache_positions import CachePositions
from lorify.base.lora import LoraBatch, LoraTensors
from lorify.base.model import BaseLM
from lorify.base.packed_weights import MOST_ROWS, PackedMatrices, PackedWeight, round_to_eight_bits

_SMALL_RANK = 64  # for one row, updates up to this rank are faster in float32


@dataclass(frozen=True)
class Norm:
    """Weight `[hidden]` and epsilon of a root-mean-square normalization."""

    weight: Tensor
    epsilon: float

    @classmethod
    def of(cls, module: Any) -> Norm:
        """Take the weight and epsilon of a Hugging Face norm module."""
        return cls(module.weight, module.variance_epsilon)

    def __call__(self, x: Tensor) -> Tensor:
        """Normalize `x [..., D]`."""
        return F.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


class Linears:
    """Linear layers that share their input, with the update of each row.

    Quantized weights are packed into one matrix if that is faster. For a single row, the updates of all layers are
    then applied as one low-rank product.
    """

    def __init__(
        self,
        linears: Sequence[nn.Linear],
        loras: Sequence[LoraTensors | None],
        rows: int,
        packed_matrices: PackedMatrices,
    ) -> None:
        """Prepare the layers for batches of a fixed size.

        Args:
            linears: the linear layers.
            loras: the update of each layer, None if it has none.
            rows: number of rows of the batch.
            packed_matrices: packed weights of the base.
        """
        self.linears = linears
        self.sizes = [linear.out_features for linear in linears]
        few = rows <= MOST_ROWS and all(linear.bias is None for linear in linears)
        self.packed = packed_matrices.packed([linear.weight for linear in linears]) if few else None
        weight = linears[0].weight
        self.loras = [
            None if lora is None else replace(lora, A=lora.A.to(weight), B=lora.B.to(weight)) for lora in loras
        ]
        self.joint = _JointUpdate.of(loras, self.sizes, weight) if self.packed is not None and rows == 1 else None

    def __call__(self, x: Tensor) -> Sequence[Tensor]:
        """Return the output `[N, out]` of each layer for `x [N, in]`."""
        if self.packed is None:
            outputs = [F.linear(x, linear.weight, linear.bias) for linear in self.linears]
        else:
            y = self.packed(x)
            if self.joint is not None:
                return self.joint(x, y).split(self.sizes, dim=-1)
            outputs = y.split(self.sizes, dim=-1)
        return [y if lora is None else _updated(y, x, lora) for y, lora in zip(outputs, self.loras, strict=True)]


def _updated(y: Tensor, x: Tensor, lora: LoraTensors) -> Tensor:
    """Add the update `A [R, in]` or `[N, R, in]`, `B [N or 1, R, out]` for `x [N, in]` to an output `y [N, out]`."""
    A, B = lora.A, lora.B
    low = F.linear(x, A) if A.dim() == 2 else torch.bmm(A.expand(len(x), -1, -1), x[:, :, None])[..., 0]  # [N, R]
    if lora.active is not None:
        low = low * lora.active.to(low)[:, None]
    if len(B) == 1:
        return torch.addmm(y, low, B[0])
    return torch.baddbmm(y[:, None], low[:, None], B)[:, 0]


@dataclass(frozen=True)
class _JointUpdate:
    """The updates of several linear layers for one row: `A [R, in]`, `B [R, out]` over their concatenated outputs.

    Either both are packed or neither; a packed `B` is `[out, R]`.
    """

    A: Tensor | PackedWeight
    B: Tensor | PackedWeight

    @classmethod
    def of(cls, loras: Sequence[LoraTensors | None], sizes: Sequence[int], weight: Tensor) -> _JointUpdate | None:
        present = [lora for lora in loras if lora is not None]
        if not present:
            return None
        A = torch.cat([lora.A.reshape(-1, lora.A.shape[-1]) for lora in present])
        B = A.new_zeros(len(A), sum(sizes))
        row = column = 0
        for lora, size in zip(loras, sizes, strict=True):
            if lora is not None:
                rank = lora.B.shape[1]
                B[row : row + rank, column : column + size] = lora.B[0]
                row += rank
            column += size
        if len(A) <= _SMALL_RANK:
            return cls(A.float(), B.float())
        A, B = A.to(weight), B.to(weight)
        packed_A, packed_B = round_to_eight_bits(A), round_to_eight_bits(B.T)
        return cls(A, B) if packed_A is None or packed_B is None else cls(packed_A, packed_B)

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Add the updates for `x [1, in]` to the outputs `y [1, out]`."""
        if isinstance(self.A, PackedWeight) and isinstance(self.B, PackedWeight):
            return y + self.B(self.A(x))
        assert isinstance(self.A, Tensor) and isinstance(self.B, Tensor)
        if self.A.dtype == x.dtype:
            return torch.addmm(y, F.linear(x, self.A), self.B)
        return y + (F.linear(x.float(), self.A) @ self.B).to(y.dtype)


@dataclass(frozen=True)
class Block:
    """The layers of one transformer block."""

    input_norm: Norm
    query_key_value: Linears
    output: Linears
    query_norm: Norm | None
    key_norm: Norm | None
    feed_forward_norm: Norm
    gate_up: Linears
    down: Linears
    activation: nn.Module
    scaling: float

    @classmethod
    def of(cls, base: BaseLM, index: int, lora: LoraBatch | None, rows: int) -> Block:
        """Build block `index` of a base, with the updates of a batch of `rows` rows."""

        def linears(*names: str) -> Linears:
            updates = [(lora or {}).get((index, name)) for name in names]
            return Linears([base.linear(index, name) for name in names], updates, rows, base.packed_matrices)

        block: Any = base.blocks[index]
        attention = block.self_attn
        has_head_norms = hasattr(attention, "q_norm")
        return cls(
            input_norm=Norm.of(block.input_layernorm),
            query_key_value=linears("q_proj", "k_proj", "v_proj"),
            output=linears("o_proj"),
            query_norm=Norm.of(attention.q_norm) if has_head_norms else None,
            key_norm=Norm.of(attention.k_norm) if has_head_norms else None,
            feed_forward_norm=Norm.of(block.post_attention_layernorm),
            gate_up=linears("gate_proj", "up_proj"),
            down=linears("down_proj"),
            activation=block.mlp.act_fn,
            scaling=attention.scaling,
        )

    def attend(self, x: Tensor, keys: Tensor, values: Tensor, positions: CachePositions) -> Tensor:
        """Compute attention for the newest token of each row.

        Query heads that share a key/value head are laid out along the position dimension, so that attention does not
        need to copy the keys.

        Args:
            x: normalized hidden states of the newest tokens `[N, D]`.
            keys: cached keys `[slots, K, T, C]`; the keys of the newest tokens are written in place.
            values: cached values `[slots, K, T, C]`; written in place too.
            positions: positions of the newest tokens in the cache.

        Returns:
            Output of the attention layer `[N, D]`, without the residual.
        """
        rows = len(x)
        _, kv_heads, _, channels = keys.shape
        query, key, value = self.query_key_value(x)
        query = query.reshape(rows, -1, channels)  # [N, H, C]
        key = key.reshape(rows, kv_heads, channels)
        if self.query_norm is not None and self.key_norm is not None:
            query, key = self.query_norm(query), self.key_norm(key)
        keys[positions.index] = _rotated(key, positions.cos, positions.sin)
        values[positions.index] = value.reshape(rows, kv_heads, channels)
        query = _rotated(query, positions.cos, positions.sin).view(rows, kv_heads, -1, channels)
        attended = [
            F.scaled_dot_product_attention(
                query[span.rows],
                keys[span.slots, :, : span.length],
                values[span.slots, :, : span.length],
                attn_mask=span.mask,
                scale=self.scaling,
            )
            for span in positions.spans
        ]
        joined = attended[0] if len(attended) == 1 else torch.cat(attended)
        return self.output(joined.reshape(rows, -1))[0]

    def feed_forward(self, x: Tensor) -> Tensor:
        """Apply the gated feed-forward layer to `x [N, D]`; the result `[N, D]` is without the residual."""
        gate, up = self.gate_up(x)
        return self.down(self.activation(gate).mul_(up))[0]


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply the rotary position embedding to `x [N, heads, C]`."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)
