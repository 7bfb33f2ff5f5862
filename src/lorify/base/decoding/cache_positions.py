"""Where the newest tokens of decoded rows are in the cache, and which part of the cache the rows attend to.

Each row has a slot in the cached keys and values `[slots, K, T, C]` and starts at its position 0. Rows in adjacent
slots attend together in one call; a slot whose row is not being decoded ends such a span.

Shapes: N decoded rows, T positions, K key/value heads, C channels per head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_FREE_PADDING_TOKENS = 1024
"""Number of padding tokens that cost less than another call."""


@dataclass(frozen=True)
class CacheSpan:
    """Decoded rows in adjacent slots.

    Attributes:
        rows: their indices among the N rows.
        slots: their slots.
        length: length of their longest sequence in tokens, including the newest token.
        mask: `[rows, 1, 1, length]`, True where a row has a token; None if all rows have this length.
    """

    rows: slice
    slots: slice
    length: int
    mask: Tensor | None


@dataclass(frozen=True)
class CachePositions:
    """Positions of the rows' newest tokens in the cache.

    Attributes:
        index: index that selects the newest positions `[N, K, C]` of the cache.
        spans: the rows, in order.
        cos: cosines of the rotary embedding at the newest positions `[N, 1, C]`.
        sin: sines of the rotary embedding at the newest positions `[N, 1, C]`, with the sign of the rotation folded in.
    """

    index: tuple[Any, ...]
    spans: tuple[CacheSpan, ...]
    cos: Tensor
    sin: Tensor


def newest_positions(slots: Sequence[int], lengths: Sequence[int], rotary: nn.Module, x: Tensor) -> CachePositions:
    """Return the positions of each row's newest token.

    Args:
        slots: slots of the N rows, ascending.
        lengths: length of each row without its newest token.
        rotary: the base's rotary embedding.
        x: hidden states of the newest tokens `[N, D]`.
    """
    positions = torch.tensor(lengths, device=x.device)  # [N]
    cos, sin = rotary(x, positions[:, None])  # [N, 1, C]
    spans = tuple(_span(rows, slots, lengths, x.device) for rows in _adjacent(slots, lengths))
    if len(spans) == 1 and spans[0].mask is None:
        index = (spans[0].slots, slice(None), lengths[0])
    else:
        index = (torch.tensor(slots, device=x.device), slice(None), positions)
    return CachePositions(index, spans, cos, _signed(sin))


def masked_positions(
    slots: Sequence[int], index: Tensor, lengths: Tensor, num_positions: int, rotary: nn.Module, x: Tensor
) -> CachePositions:
    """Return the positions of each row's newest token, without reading the lengths.

    Shapes do not depend on the lengths: rows attend to the whole cache, with a mask.

    Args:
        slots: slots of the N rows, ascending.
        index: the same as a tensor `[N]`.
        lengths: length of each row without its newest token `[N]`.
        num_positions: T of the cache.
        rotary: the base's rotary embedding.
        x: hidden states of the newest tokens `[N, D]`.
    """
    cos, sin = rotary(x, lengths[:, None])  # [N, 1, C]
    mask = (torch.arange(num_positions, device=x.device) <= lengths[:, None])[:, None, None]  # [N, 1, 1, T]
    spans = tuple(
        CacheSpan(rows, slice(slots[rows.start], slots[rows.stop - 1] + 1), num_positions, mask[rows])
        for rows in _adjacent(slots, [num_positions] * len(slots))
    )
    return CachePositions((index, slice(None), lengths), spans, cos, _signed(sin))


def _adjacent(slots: Sequence[int], lengths: Sequence[int]) -> list[slice]:
    """Return spans of rows in adjacent slots; rows of very different lengths are split, since padding costs time."""
    spans: list[slice] = []
    start = longest = total = 0
    for row, (slot, length) in enumerate(zip(slots, lengths, strict=True)):
        padded = (row - start + 1) * max(longest, length)
        is_costly = padded > 1.5 * (total + length) + _FREE_PADDING_TOKENS
        if row > start and (slot != slots[row - 1] + 1 or is_costly):
            spans.append(slice(start, row))
            start, longest, total = row, 0, 0
        longest, total = max(longest, length), total + length
    return [*spans, slice(start, len(slots))]


def _span(rows: slice, slots: Sequence[int], lengths: Sequence[int], device: torch.device) -> CacheSpan:
    own = lengths[rows]
    length = max(own) + 1
    mask = None
    if min(own) + 1 < length:
        mask = (torch.arange(length, device=device) <= torch.tensor(own, device=device)[:, None])[:, None, None]
    return CacheSpan(rows, slice(slots[rows.start], slots[rows.stop - 1] + 1), length, mask)


def _signed(sin: Tensor) -> Tensor:
    """Fold the sign of the rotation into the sines, so that the rotation needs only one roll."""
    half = sin.shape[-1] // 2
    return torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)
