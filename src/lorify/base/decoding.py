"""Continuous batching: rows are added and dropped between decoding steps, each with its own LoRA update.

Prompts are prefilled by the Hugging Face model (`lorify.base.prefill`). Further tokens are decoded by the blocks of
`lorify.base.fast_decoding`, which write keys and values in place into preallocated buffers. Architectures that these
blocks do not support use the Hugging Face model for every token.

Shapes: N rows of the batch, T positions, K key/value heads, C channels per head, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DynamicCache

from lorify.base.fast_decoding import Block, CachePositions, Linears, Norm, signed
from lorify.base.lora import LoraRows, select_rows
from lorify.base.model import BaseLM
from lorify.base.prefill import Prefill, PromptGroup, cache_argument, rope_depends_on_length
from lorify.errors import BaseModelError

_GROWTH_TOKENS = 256  # the cache grows by at least this many tokens, so that it is rarely copied


class DecodingBatch(Protocol):
    """Rows that are decoded together. Calls leave no state behind in the base."""

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def add_rows(self, prefill: Prefill, prompts: Sequence[int] | None = None) -> Tensor:
        """Append rows whose prompts have been prefilled.

        Args:
            prefill: the prompts, complete. It cannot be used again.
            prompts: for each new row the index of its prompt, of which several rows can have the same; by default
                each prompt becomes a row.

        Returns:
            Logits `[new rows, V]` of the token that follows each prompt.
        """
        ...

    def step(self, tokens: Tensor) -> Tensor:
        """Decode one token per row `[N]` and return the logits `[N, V]` of the next."""
        ...

    def drop_row(self, row: int) -> None:
        """Drop a row and move the last row to its index."""
        ...


def start_decoding(base: BaseLM, num_tokens: int) -> DecodingBatch:
    """Create an empty batch for sequences of up to `num_tokens` tokens, prompt and answer together.

    Raises:
        BaseModelError: if the base is sharded.
    """
    if base.is_sharded:
        raise BaseModelError(
            f"base model {base.name!r} is sharded over training processes and cannot generate; load it unsharded"
        )
    return _FastBatch(base) if supports_fast_decoding(base, num_tokens) else _ModelBatch(base)


def supports_fast_decoding(base: BaseLM, num_tokens: int) -> bool:
    """Return whether the fast blocks match the Hugging Face model on sequences of up to `num_tokens` tokens."""
    if not base.architecture.has_fast_decoding:
        return False
    config = base.model.config
    if rope_depends_on_length(base):
        return False
    # A sliding window has no effect on sequences that fit in it.
    layer_types = getattr(config, "layer_types", None) or ["sliding_attention"]
    window = getattr(config, "sliding_window", None) if "sliding_attention" in layer_types else None
    return window is None or num_tokens <= window


class _FastBatch:
    """Rows decoded by the fast blocks.

    Each row has a slot in the buffers and starts at position 0 of it, so rows of any length are added and dropped
    without moving the others.
    """

    def __init__(self, base: BaseLM) -> None:
        decoder: Any = base.model.get_decoder()
        head: Any = base.model.get_output_embeddings()
        self._base = base
        self._embedding: Tensor = decoder.embed_tokens.weight
        self._rotary: nn.Module = decoder.rotary_emb
        self._norm = Norm.of(decoder.norm)
        self._head: nn.Linear = head
        self._lora = LoraRows()
        self._blocks: list[Block] | None = None  # built for the current rows; None after the rows have changed
        self._output: Linears  # built together with the blocks
        self._keys: list[Tensor] = []  # [slots, K, T, C] for each block
        self._values: list[Tensor] = []
        self._lengths: list[int] = []

    def __len__(self) -> int:
        return len(self._lengths)

    @torch.inference_mode()
    def add_rows(self, prefill: Prefill, prompts: Sequence[int] | None = None) -> Tensor:
        logits = prefill.logits
        (group,) = prefill.groups
        chosen = list(range(len(group.lengths))) if prompts is None else list(prompts)
        self._make_room(len(self) + len(chosen), group.width + 1, group.cache)
        layers: list[Any] = group.cache.layers
        for row, prompt in enumerate(chosen, start=len(self)):
            length = group.lengths[prompt]
            start = group.width - length + group.num_shared  # its own tokens start where its left padding ends
            for keys, values, layer in zip(self._keys, self._values, layers, strict=True):
                for buffer, filled in ((keys, layer.keys), (values, layer.values)):
                    buffer[row, :, : group.num_shared] = filled[prompt, :, : group.num_shared]
                    buffer[row, :, group.num_shared : length] = filled[prompt, :, start:]
        self._lengths += [group.lengths[prompt] for prompt in chosen]
        lora = (
            group.lora if prompts is None else select_rows(group.lora, torch.tensor(chosen, device=self._base.device))
        )
        self._lora.add(len(chosen), lora)
        self._blocks = None
        return logits[chosen]

    @torch.inference_mode()
    def step(self, tokens: Tensor) -> Tensor:
        longest = max(self._lengths) + 1
        if longest > self._keys[0].shape[2]:
            self._make_room(len(self), longest)
        if self._blocks is None:
            batch, rows = self._lora.batch, len(self)
            self._blocks = [Block.of(self._base, index, batch, rows) for index in range(self._base.num_layers)]
            self._output = Linears([self._head], [None], rows, self._base.packed_matrices)
        x = F.embedding(tokens, self._embedding)  # [N, D]
        positions = self._positions(x, longest)
        for block, keys, values in zip(self._blocks, self._keys, self._values, strict=True):
            x = x + block.attend(block.input_norm(x), keys, values, positions)
            x = x + block.feed_forward(block.feed_forward_norm(x))
        self._lengths = [length + 1 for length in self._lengths]
        return self._output(self._norm(x))[0]

    @torch.inference_mode()
    def drop_row(self, row: int) -> None:
        last = len(self) - 1
        if row < last:
            for buffer in (*self._keys, *self._values):
                buffer[row, :, : self._lengths[last]] = buffer[last, :, : self._lengths[last]]
        self._lengths[row] = self._lengths[last]
        self._lengths.pop()
        self._lora.drop(row)
        self._blocks = None
        if not self._lengths:
            self._keys, self._values = [], []  # release buffers that long rows have grown

    def _positions(self, x: Tensor, longest: int) -> CachePositions:
        positions = torch.tensor(self._lengths, device=x.device)  # [N]
        cos, sin = self._rotary(x, positions[:, None])  # [N, 1, C]
        if min(self._lengths) + 1 == longest:
            return CachePositions((slice(len(x)), slice(None), longest - 1), longest, None, cos, signed(sin))
        rows = torch.arange(len(x), device=x.device)
        mask = torch.arange(longest, device=x.device) <= positions[:, None]
        return CachePositions((rows, slice(None), positions), longest, mask[:, None, None], cos, signed(sin))

    def _make_room(self, num_rows: int, num_tokens: int, cache: DynamicCache | None = None) -> None:
        """Grow the buffers to `num_rows` rows and `num_tokens` tokens, at least doubling to keep copies rare.

        The first call allocates them with the shapes and dtypes of `cache`.
        """
        if not self._keys:
            assert cache is not None
            layers: list[Any] = cache.layers
            for buffers, name in ((self._keys, "keys"), (self._values, "values")):
                for layer in layers:
                    _, heads, _, channels = getattr(layer, name).shape
                    shape = (num_rows, heads, num_tokens + _GROWTH_TOKENS, channels)
                    buffers.append(getattr(layer, name).new_zeros(shape))
            return
        slots, _, length, _ = self._keys[0].shape
        if num_rows <= slots and num_tokens <= length:
            return
        slots = slots if num_rows <= slots else max(num_rows, 2 * slots)
        length = length if num_tokens <= length else max(num_tokens, length + max(length, _GROWTH_TOKENS))
        for buffers in (self._keys, self._values):
            for index, buffer in enumerate(buffers):
                grown = buffer.new_zeros(slots, buffer.shape[1], length, buffer.shape[3])
                grown[: len(self), :, : buffer.shape[2]] = buffer[: len(self)]
                buffers[index] = grown


class _ModelBatch:
    """Rows decoded by the Hugging Face model, in one group for each call of `add_rows`."""

    def __init__(self, base: BaseLM) -> None:
        self._base = base
        self._order: list[tuple[_ModelGroup, int]] = []  # the group of each row and its index in the group

    def __len__(self) -> int:
        return len(self._order)

    @torch.inference_mode()
    def add_rows(self, prefill: Prefill, prompts: Sequence[int] | None = None) -> Tensor:
        logits = prefill.logits
        chosen = list(range(len(logits))) if prompts is None else list(prompts)
        places: dict[int, tuple[_ModelGroup, int]] = {}
        for group in prefill.groups:
            rows = [row for row, prompt in enumerate(chosen) if prompt in group.prompts]
            if rows:
                started = _ModelGroup(self._base, group, [group.prompts.index(chosen[row]) for row in rows])
                places |= {row: (started, index) for index, row in enumerate(rows)}
        self._order += [places[row] for row in range(len(chosen))]
        return logits[chosen]

    @torch.inference_mode()
    def step(self, tokens: Tensor) -> Tensor:
        members: dict[_ModelGroup, list[int]] = {}
        for row, (group, _) in enumerate(self._order):
            members.setdefault(group, []).append(row)
        logits: dict[int, Tensor] = {}
        for group, rows in members.items():
            rows.sort(key=lambda row: self._order[row][1])
            logits |= dict(zip(rows, group.step(tokens[rows]), strict=True))
        return torch.stack([logits[row] for row in range(len(self))])

    @torch.inference_mode()
    def drop_row(self, row: int) -> None:
        group, index = self._order[row]
        self._order[row] = self._order[-1]
        self._order.pop()
        if any(other is group for other, _ in self._order):
            group.drop(index)
        self._order = [(other, i - (other is group and i > index)) for other, i in self._order]


class _ModelGroup:
    """Rows that share one cache, padded on the left."""

    def __init__(self, base: BaseLM, group: PromptGroup, prompts: Sequence[int]) -> None:
        self._base = base
        self._cache = group.cache
        self._mask = group.mask
        self._lora = group.lora
        if list(prompts) != list(range(len(group.lengths))):
            self._select(prompts)

    def step(self, tokens: Tensor) -> Tensor:
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=1)
        with self._base.hooks.applied(self._lora):
            output = self._base.model(
                input_ids=tokens[:, None],
                attention_mask=self._mask,
                position_ids=self._mask.sum(-1, keepdim=True) - 1,
                **cache_argument(self._base, self._cache),
                use_cache=True,
            )
        return output.logits[:, -1]

    def drop(self, index: int) -> None:
        self._select([row for row in range(len(self._mask)) if row != index])

    def _select(self, rows: Sequence[int]) -> None:
        indices = torch.tensor(rows, device=self._mask.device)
        # The one selection of rows that all kinds of layers have; transformers types it for beams.
        self._cache.reorder_cache(indices)  # pyright: ignore[reportArgumentType]
        self._mask = self._mask[indices]
        self._lora = select_rows(self._lora, indices)
