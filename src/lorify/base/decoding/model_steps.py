"""Rows of a decoding batch, decoded by the Hugging Face model, for architectures without fast blocks.

Shapes: N rows, V vocabulary size.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from lorify.base.decoding.prefill import Prefill, PromptGroup, cache_argument
from lorify.base.lora import select_rows
from lorify.base.model import BaseLM


class ModelBatch:
    """Rows decoded by the Hugging Face model, in one group for each call of `add_rows`.

    It has the methods of `lorify.base.decoding.batching.DecodingBatch`.
    """

    def __init__(self, base: BaseLM) -> None:
        """Start without rows."""
        self._base = base
        self._order: list[tuple[_ModelGroup, int]] = []  # the group of each row and its index in the group

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._order)

    @torch.inference_mode()
    def add_rows(self, prefill: Prefill, prompts: Sequence[int] | None = None) -> Tensor:
        """Append rows whose prompts have been prefilled, and return the logits of their first tokens."""
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
    def step(self, tokens: Tensor, rows: Sequence[int] | None = None) -> Tensor:
        """Decode one token of each row, or of some rows; a group is split if only some of its rows are decoded."""
        rows = range(len(self)) if rows is None else rows
        self._split_groups(rows)
        members: dict[_ModelGroup, list[int]] = {}
        for index, row in enumerate(rows):
            members.setdefault(self._order[row][0], []).append(index)
        logits: dict[int, Tensor] = {}
        for group, indices in members.items():
            indices.sort(key=lambda index: self._order[rows[index]][1])
            logits |= dict(zip(indices, group.step(tokens[indices]), strict=True))
        return torch.stack([logits[index] for index in range(len(rows))])

    def _split_groups(self, rows: Sequence[int]) -> None:
        """Split each group of which only some rows are decoded."""
        decoded = set(rows)
        for group in {self._order[row][0] for row in rows}:
            members = [row for row, (other, _) in enumerate(self._order) if other is group]
            parts = [[row for row in members if (row in decoded) is wanted] for wanted in (True, False)]
            if all(parts):
                for part in parts:
                    split = group.selected([self._order[row][1] for row in part])
                    for index, row in enumerate(part):
                        self._order[row] = (split, index)

    @torch.inference_mode()
    def drop_row(self, row: int) -> None:
        """Drop a row and move the last row to its index."""
        group, index = self._order[row]
        self._order[row] = self._order[-1]
        self._order.pop()
        if any(other is group for other, _ in self._order):
            group.drop(index)
        self._order = [(other, i - (other is group and i > index)) for other, i in self._order]

    def swap_rows(self, row: int, other: int) -> None:
        """Swap two rows."""
        self._order[row], self._order[other] = self._order[other], self._order[row]


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

    def selected(self, rows: Sequence[int]) -> _ModelGroup:
        group = copy.copy(self)
        group._cache = copy.deepcopy(self._cache)
        group._select(rows)
        return group

    def drop(self, index: int) -> None:
        self._select([row for row in range(len(self._mask)) if row != index])

    def _select(self, rows: Sequence[int]) -> None:
        indices = torch.tensor(rows, device=self._mask.device)
        # The only way to select rows that all kinds of layers have; transformers types it for beams.
        self._cache.reorder_cache(indices)  # pyright: ignore[reportArgumentType]
        self._mask = self._mask[indices]
        self._lora = select_rows(self._lora, indices)
