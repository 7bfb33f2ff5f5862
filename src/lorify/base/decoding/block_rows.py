"""Rows of a batch that the fast blocks decode.

Shapes: N rows, D hidden size, K key/value heads, C channels per head, T positions, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from lorify.base.decoding.cache_positions import CachePositions, newest_positions
from lorify.base.decoding.fast_blocks import Block, Linears, Norm
from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM


class BlockRows:
    """The fast blocks and the output layer with the rows' updates. Keys and values are written in place.

    Attributes:
        rotary: the base's rotary embedding.
        slots: slots of the rows, ascending.
        num_positions: T of the cache.
    """

    def __init__(
        self,
        base: BaseLM,
        lora: LoraBatch | None,
        keys: Sequence[Tensor],
        values: Sequence[Tensor],
        slots: Sequence[int],
    ) -> None:
        """Prepare the blocks.

        Args:
            base: the base.
            lora: the updates of the rows.
            keys: cached keys of each block `[all slots, K, T, C]`.
            values: cached values of each block, of the same shape.
            slots: slots of the rows, ascending.
        """
        decoder: Any = base.decoder
        head: Any = base.model.get_output_embeddings()
        self.rotary: nn.Module = decoder.rotary_emb
        self._norm = Norm.of(decoder.norm)
        self._blocks = [Block.of(base, index, lora, len(slots)) for index in range(base.num_layers)]
        self._output = Linears([head], [None], len(slots), base.packed_matrices)
        self._keys, self._values, self.slots = keys, values, slots
        self.num_positions = keys[0].shape[2]

    def step(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        """Decode one token of each row, like `lorify.base.decoding.compiled.rows.CompiledRows.step`."""
        return self.decode(x, newest_positions(self.slots, lengths, self.rotary, x))

    def decode(self, x: Tensor, positions: CachePositions) -> Tensor:
        """Decode one token of each row at given positions.

        Args:
            x: embeddings of the tokens `[N, D]`.
            positions: their positions in the cache.

        Returns:
            Logits `[N, V]` of the next tokens.
        """
        for block, keys, values in zip(self._blocks, self._keys, self._values, strict=True):
            x = x + block.attend(block.input_norm(x), keys, values, positions)
            x = x + block.feed_forward(block.feed_forward_norm(x))
        return self._output(self._norm(x))[0]
