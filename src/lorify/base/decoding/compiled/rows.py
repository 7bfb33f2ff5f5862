"""Rows of a batch that compiled loops decode.

Shapes: N rows, D hidden size, K key/value heads, C channels per head, T positions, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lorify.base.decoding.compiled.helpers import Helpers
from lorify.base.decoding.compiled.operations import Operations
from lorify.base.decoding.compiled.updates import JointUpdate, join_updates
from lorify.base.decoding.compiled.weights import HEAD, LINEAR_GROUPS, Matrices, matrix_name
from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM


class CompiledStep:
    """What all rows of a base share: the base's matrices and the helper threads."""

    def __init__(self, matrices: Matrices) -> None:
        """Start without threads."""
        self.matrices = matrices
        self.helpers = Helpers()

    def rows(
        self, base: BaseLM, lora: LoraBatch | None, keys: Sequence[Tensor], values: Sequence[Tensor]
    ) -> CompiledRows:
        """Prepare rows; arguments as for `CompiledRows`."""
        return CompiledRows(base, self, lora, keys, values)


class CompiledRows:
    """Rows in adjacent slots, with all buffers of a step. Keys and values are written in place."""

    def __init__(
        self, base: BaseLM, step: CompiledStep, lora: LoraBatch | None, keys: Sequence[Tensor], values: Sequence[Tensor]
    ) -> None:
        """Allocate the buffers.

        Args:
            base: the base.
            step: its matrices.
            lora: the updates of the rows.
            keys: cached keys of each block `[N, K, T, C]`.
            values: cached values of each block, of the same shape.
        """
        decoder: Any = base.decoder
        rows, channels = len(keys[0]), keys[0].shape[-1]
        self._rotary: nn.Module = decoder.rotary_emb
        self._helpers = step.helpers
        self._x = torch.zeros(rows, base.hidden_size)
        self._lengths = torch.zeros(rows, dtype=torch.int64)
        self._cos, self._sin = torch.zeros(rows, channels), torch.zeros(rows, channels)
        self._operations = Operations()
        for layer in range(base.num_layers):
            self._add_block(base, step.matrices, layer, lora, keys[layer], values[layer])
        normed = self._normalize(self._x, decoder.norm)
        self._logits = self._operations.multiply(normed, step.matrices[HEAD])
        self._step = self._operations.arrays()

    def step(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        """Decode one token of each row.

        Args:
            x: embeddings of the tokens `[N, D]`.
            lengths: number of cached tokens of each row.

        Returns:
            Logits `[N, V]` of the next tokens.
        """
        self._x.copy_(x)
        self._lengths.copy_(torch.tensor(lengths))
        cos, sin = self._rotary(x, self._lengths[:, None])  # [N, 1, C]
        self._cos.copy_(cos[:, 0])
        self._sin.copy_(sin[:, 0])
        self._helpers.run(self._step)
        return torch.from_numpy(self._logits.numpy().copy())  # PyTorch would wake its threads for a copy of this size

    def _add_block(
        self, base: BaseLM, matrices: Matrices, layer: int, lora: LoraBatch | None, keys: Tensor, values: Tensor
    ) -> None:
        operations, block = self._operations, base.blocks[layer]
        attention: Any = block.self_attn
        projected, output, gate_up, down = (
            (matrices[matrix_name(layer, names[0])], _update(base, layer, names, lora)) for names in LINEAR_GROUPS
        )
        heads = base.linear(layer, "q_proj").out_features // keys.shape[-1]
        joined = operations.multiply(self._normalize(self._x, block.input_layernorm), *projected)
        operations.rotate(joined, heads, (self._cos, self._sin), self._lengths, keys, values)
        attended = operations.attend(joined, heads, float(attention.scaling), self._lengths, keys, values)
        operations.multiply(attended, *output, total=self._x)
        joined = operations.multiply(self._normalize(self._x, block.post_attention_layernorm), *gate_up)
        operations.multiply(operations.gate(joined), *down, total=self._x)

    def _normalize(self, x: Tensor, norm: Any) -> Tensor:
        return self._operations.normalize(x, norm.weight.detach().float().contiguous(), float(norm.variance_epsilon))


def _update(base: BaseLM, layer: int, names: Sequence[str], lora: LoraBatch | None) -> JointUpdate | None:
    updates = [(lora or {}).get((layer, name)) for name in names]
    return join_updates(updates, [base.linear(layer, name).out_features for name in names])
