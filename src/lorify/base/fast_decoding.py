"""The blocks of a Llama-like model, written directly on its weight tensors, for one token per row.

The same arithmetic as the Hugging Face model's, without the cost of its modules, masks and hooks, which at batch 1 is
most of the time of a small model.

Shapes: N rows of the batch, T positions, D hidden size, H query heads, K key/value heads, C channels of a head,
R rank of an update.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorify.base.lora import LoraBatch, LoraTensors
from lorify.base.model import BaseLM
from lorify.base.packed_weights import MOST_ROWS, PackedMatrices, PackedWeight, round_to_eight_bits

_SMALL_RANK = 64  # updates up to this rank are faster in float32, for one row


@dataclass(frozen=True)
class CachePositions:
    """Where the newest token of each row stands in the cache of keys and values `[slots, K, T, C]`.

    Attributes:
        index: index of the newest positions `[N, K, C]` in it.
        length: longest sequence of all rows, the newest token included.
        mask: `[N, 1, 1, length]`, True where a row has a token; None if all rows are of this length.
        cos: rotation of the newest positions `[N, 1, C]`.
        sin: the same, with the sign of the rotation in it (`signed`).
    """

    index: tuple[Any, ...]
    length: int
    mask: Tensor | None
    cos: Tensor
    sin: Tensor


@dataclass(frozen=True)
class Norm:
    """Root-mean-square normalisation."""

    weight: Tensor
    epsilon: float

    @classmethod
    def of(cls, module: Any) -> Norm:
        """That of a Hugging Face module."""
        return cls(module.weight, module.variance_epsilon)

    def __call__(self, x: Tensor) -> Tensor:
        """`x [..., D]`, normalised."""
        return F.rms_norm(x, self.weight.shape, self.weight, self.epsilon)


class Linears:
    """Linear layers that read the same input, with the update of each row.

    Weights on a grid of few levels are packed into one matrix where that is faster; for a single row the updates of
    all layers then are one product of two matrices.
    """

    def __init__(
        self,
        linears: Sequence[nn.Linear],
        loras: Sequence[LoraTensors | None],
        rows: int,
        packed_matrices: PackedMatrices,
    ) -> None:
        """Of the layers and their updates, for batches of `rows`."""
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
        """`x [N, in]` -> the output `[N, out]` of each layer."""
        if self.packed is None:
            outputs = [F.linear(x, linear.weight, linear.bias) for linear in self.linears]
        else:
            y = self.packed(x)
            if self.joint is not None:
                return self.joint(x, y).split(self.sizes, dim=-1)
            outputs = y.split(self.sizes, dim=-1)
        return [y if lora is None else _updated(y, x, lora) for y, lora in zip(outputs, self.loras, strict=True)]


def _updated(y: Tensor, x: Tensor, lora: LoraTensors) -> Tensor:
    """Output `y [N, out]` of a linear layer for `x [N, in]`, with `A [R, in]` or `[N, R, in]`, `B [N or 1, R, out]`."""
    A, B = lora.A, lora.B
    low = F.linear(x, A) if A.dim() == 2 else torch.bmm(A.expand(len(x), -1, -1), x[:, :, None])[..., 0]  # [N, R]
    if lora.active is not None:
        low = low * lora.active.to(low)[:, None]
    if len(B) == 1:
        return torch.addmm(y, low, B[0])
    return torch.baddbmm(y[:, None], low[:, None], B)[:, 0]


@dataclass(frozen=True)
class _JointUpdate:
    """The updates of several linear layers for one row: `A [R, in]`, `B [R, out]` over the outputs of all of them.

    Packed both or neither; packed, `B` is `[out, R]`.
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
        """The outputs `y [1, out]` for `x [1, in]`, updated."""
        if isinstance(self.A, PackedWeight) and isinstance(self.B, PackedWeight):
            return y + self.B(self.A(x))
        assert isinstance(self.A, Tensor) and isinstance(self.B, Tensor)
        if self.A.dtype == x.dtype:
            return torch.addmm(y, F.linear(x, self.A), self.B)
        return y + (F.linear(x.float(), self.A) @ self.B).to(y.dtype)


@dataclass(frozen=True)
class Block:
    """The tensors of one transformer block."""

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
        """Block `index` of a base, with the updates of a batch of `rows`."""

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

    def attend(self, x: Tensor, keys: Tensor, values: Tensor, place: CachePositions) -> Tensor:
        """Compute attention for the newest token of each row.

        The query heads that share a key/value head are laid out as if they were positions, so that attention needs no
        copies of the keys.

        Args:
            x: normalised hidden states of the newest tokens `[N, D]`.
            keys: cached keys `[slots, K, T, C]`; those of the newest tokens are written into it.
            values: cached values `[slots, K, T, C]`, written likewise.
            place: positions of the newest tokens in the cache.

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
        keys[place.index] = _rotated(key, place.cos, place.sin)
        values[place.index] = value.reshape(rows, kv_heads, channels)
        attended = F.scaled_dot_product_attention(
            _rotated(query, place.cos, place.sin).view(rows, kv_heads, -1, channels),
            keys[:rows, :, : place.length],
            values[:rows, :, : place.length],
            attn_mask=place.mask,
            scale=self.scaling,
        )
        return self.output(attended.reshape(rows, -1))[0]

    def feed_forward(self, x: Tensor) -> Tensor:
        """The gated feed-forward layer on `x [N, D]`."""
        gate, up = self.gate_up(x)
        return self.down(self.activation(gate).mul_(up))[0]


def signed(sin: Tensor) -> Tensor:
    """Sines with the sign of the rotation folded in, so that it needs one roll."""
    half = sin.shape[-1] // 2
    return torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding of `x [N, heads, C]`."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)
