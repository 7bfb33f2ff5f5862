"""Continuous batching: rows are added and dropped between decoding steps, each with its own LoRA update.

Prompts are prefilled by the Hugging Face model (`prefill`). Further tokens are decoded by compiled loops (`compiled`)
or by the blocks of `fast_blocks`, which write keys and values in place into preallocated buffers. On a GPU, the steps
of these blocks are recorded as CUDA graphs (`graph_rows`). Architectures that neither of them supports use the Hugging
Face model for every token.

Shapes: N rows of the batch, T positions, K key/value heads, C channels per head, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import DynamicCache

from lorify.base.decoding.block_rows import BlockRows
from lorify.base.decoding.compiled.session import find_compiled
from lorify.base.decoding.graph_rows import GraphRows, uses_graphs
from lorify.base.decoding.model_steps import ModelBatch
from lorify.base.decoding.prefill import Prefill, rope_depends_on_length
from lorify.base.lazy_memory import lazy_zeros
from lorify.base.lora import LoraBatch, LoraRows, select_rows
from lorify.base.model import BaseLM
from lorify.errors import BaseModelError

if TYPE_CHECKING:
    from lorify.base.decoding.compiled.rows import CompiledRows

_MAX_SELECTIONS = 2  # selections of rows that stay prepared; each can hold a copy of their updates
_MOST_COMPILED_ROWS = 32  # larger batches have not been measured
_GROWTH_TOKENS = 256  # the cache grows by at least this many tokens, so that it is rarely copied


class DecodingBatch(Protocol):
    """Rows that are decoded together. Calls leave no state behind in the base."""

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def add_rows(self, prefill: Prefill, prompts: Sequence[int] | None = None) -> Tensor:
        """Append rows whose prompts have been prefilled.

        Args:
            prefill: the prompts, completely processed. It cannot be used again.
            prompts: index of the prompt of each new row; rows can share a prompt. By default each prompt becomes a row.

        Returns:
            Logits `[new rows, V]` of the token that follows each prompt.
        """
        ...

    def step(self, tokens: Tensor, rows: Sequence[int] | None = None) -> Tensor:
        """Decode one token of each row, or of some rows while the others wait.

        Args:
            tokens: the last token of each decoded row `[N]`.
            rows: indices of the decoded rows, ascending; by default all.

        Returns:
            Logits `[N, V]` of their next tokens.
        """
        ...

    def drop_row(self, row: int) -> None:
        """Drop a row and move the last row to its index."""
        ...

    def swap_rows(self, row: int, other: int) -> None:
        """Swap two rows. Adjacent rows are decoded faster."""
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
    return _FastBatch(base) if supports_fast_decoding(base, num_tokens) else ModelBatch(base)


def supports_fast_decoding(base: BaseLM, num_tokens: int) -> bool:
    """Return whether the fast blocks match the Hugging Face model on sequences of up to `num_tokens` tokens."""
    if not base.architecture.has_fast_decoding:
        return False
    return not rope_depends_on_length(base) and not base.slides_over(num_tokens)


class _FastBatch:
    """Rows decoded without the Hugging Face model.

    Each row has a slot in the buffers and starts at its position 0, so rows of any length can be added and dropped
    without moving the others.
    """

    def __init__(self, base: BaseLM) -> None:
        decoder: Any = base.model.get_decoder()
        self._base = base
        self._embedding: Tensor = decoder.embed_tokens.weight
        self._lora = LoraRows()
        self._prepared: dict[
            tuple[int, ...], BlockRows | GraphRows | CompiledRows
        ] = {}  # none after rows or buffers have changed
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
        self._prepared = {}
        return logits[chosen]

    @torch.inference_mode()
    def step(self, tokens: Tensor, rows: Sequence[int] | None = None) -> Tensor:
        rows = range(len(self)) if rows is None else rows
        lengths = [self._lengths[row] for row in rows]
        if max(lengths) >= self._keys[0].shape[2]:
            self._make_room(len(self), max(lengths) + 1)
        logits = self._prepared_rows(rows).step(F.embedding(tokens, self._embedding), lengths)
        for row in rows:
            self._lengths[row] += 1
        self._count_step()
        return logits

    def _count_step(self) -> None:
        """Discard the prepared rows once compiled loops pay off, so that they are prepared again."""
        kept = self._base.decoding_session
        if not kept.is_due:
            kept.num_steps += 1
            if kept.is_due and not uses_graphs(self._base):
                self._prepared = {}

    def _prepared_rows(self, rows: Sequence[int]) -> BlockRows | GraphRows | CompiledRows:
        """Return some rows with their updates, ready to be decoded."""
        key = tuple(rows)
        if key not in self._prepared:
            if len(self._prepared) == _MAX_SELECTIONS:
                self._prepared.clear()
            lora = self._lora.batch
            if len(rows) < len(self):
                lora = select_rows(lora, torch.tensor(key, device=self._base.device))
            self._prepared[key] = self._start(key, lora)
        return self._prepared[key]

    def _start(self, rows: tuple[int, ...], lora: LoraBatch | None) -> BlockRows | GraphRows | CompiledRows:
        are_adjacent = rows[-1] - rows[0] == len(rows) - 1
        compiled = find_compiled(self._base) if are_adjacent and len(rows) <= _MOST_COMPILED_ROWS else None
        if compiled is None:
            blocks = BlockRows(self._base, lora, self._keys, self._values, rows)
            return GraphRows(self._base, blocks) if uses_graphs(self._base) else blocks
        keys, values = ([buffer[rows[0] : rows[-1] + 1] for buffer in part] for part in (self._keys, self._values))
        return compiled.rows(self._base, lora, keys, values)

    @torch.inference_mode()
    def drop_row(self, row: int) -> None:
        last = len(self) - 1
        if row < last:
            for buffer in (*self._keys, *self._values):
                buffer[row, :, : self._lengths[last]] = buffer[last, :, : self._lengths[last]]
        self._lengths[row] = self._lengths[last]
        self._lengths.pop()
        self._lora.drop(row)
        self._prepared = {}
        if not self._lengths:
            self._keys, self._values = [], []  # free buffers that have grown for long rows

    @torch.inference_mode()
    def swap_rows(self, row: int, other: int) -> None:
        length = max(self._lengths[row], self._lengths[other])
        for buffer in (*self._keys, *self._values):
            kept = buffer[row, :, :length].clone()
            buffer[row, :, :length] = buffer[other, :, :length]
            buffer[other, :, :length] = kept
        self._lengths[row], self._lengths[other] = self._lengths[other], self._lengths[row]
        self._lora.swap(row, other)
        self._prepared = {}

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
                    buffers.append(lazy_zeros(shape, getattr(layer, name)))
            return
        slots, _, length, _ = self._keys[0].shape
        if num_rows <= slots and num_tokens <= length:
            return
        self._prepared = {}
        slots = slots if num_rows <= slots else max(num_rows, 2 * slots)
        length = length if num_tokens <= length else max(num_tokens, length + max(length, _GROWTH_TOKENS))
        for buffers in (self._keys, self._values):
            for index, buffer in enumerate(buffers):
                grown = lazy_zeros((slots, buffer.shape[1], length, buffer.shape[3]), buffer)
                for row, used in enumerate(self._lengths):
                    grown[row, :, :used] = buffer[row, :, :used]
                buffers[index] = grown
