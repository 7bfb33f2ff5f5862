"""Pieces of lines that cross strips between a table's columns: they are few, and may contain several cells."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from lorify.contexts.formats.pdf.boxes import Box
from lorify.contexts.formats.pdf.characters import piece_of

_MAX_CROSSING = 0.2
"""Fraction of lines that may cross a strip which the other lines leave free."""
_MIN_LINES = 3
_MIN_GAP = 4.0
"""Width of a strip, in points."""
_MAX_PLACES = 60
_WIDE_GAP = 0.55
"""Gap between words, in character heights, from which they may be two cells."""
_COLUMN_EDGE = 20.0
"""Cells within this distance of a strip's side, in points, end or begin at it."""
_ALIGNED = 1.5
"""Distance, in points, up to which the sides of cells count as aligned."""


def few_crossing(lines: Sequence[Sequence[Box]]) -> list[Box]:
    """Return the pieces that cross a strip left free by most lines.

    Args:
        lines: lines of a table, with several pieces each from left to right.
    """
    gaps = [(a.right, b.left) for line in lines for a, b in itertools.pairwise(line) if b.left - a.right >= _MIN_GAP]
    places = sorted({round((start + end) / 2) for start, end in gaps})
    if len(places) > _MAX_PLACES:
        places = places[:: len(places) // _MAX_PLACES + 1]
    found: dict[int, Box] = {}
    for place in places:
        num_free = sum(start < place < end for start, end in gaps)
        crossing = [piece for line in lines for piece in line if piece.left < place < piece.right]
        if num_free >= _MIN_LINES and 0 < len(crossing) <= _MAX_CROSSING * num_free:
            found |= {id(piece): piece for piece in crossing}
    return list(found.values())


def divided_pieces(lines: Sequence[Sequence[Box]], strips: Sequence[float]) -> list[Box]:
    """Return the pieces of lines, divided between words in different columns.

    Args:
        lines: the lines of a table.
        strips: places between its columns, from the left.
    """
    pieces = [piece for line in lines for piece in line]
    for strip in strips:
        crossing = [piece for piece in pieces if piece.left < strip < piece.right and len(piece.words) > 1]
        if crossing:
            sides = _sides(pieces, strip)
            divided = {id(piece): _divided(piece, strip, sides) for piece in crossing}
            pieces = [part for piece in pieces for part in divided.get(id(piece), [piece])]
    return pieces


@dataclass(frozen=True)
class _Sides:
    """Where the columns before and after a strip end and begin in most lines, and whether beginnings are aligned."""

    before: float
    after: float
    is_after_aligned: bool


def _sides(pieces: Sequence[Box], strip: float) -> _Sides:
    before = [piece.right for piece in pieces if piece.right < strip]
    after = [piece.left for piece in pieces if piece.left > strip]
    near = max(before, default=strip), min(after, default=strip)
    ends = [right for right in before if near[0] - right < _COLUMN_EDGE] or [near[0]]
    starts = [left for left in after if left - near[1] < _COLUMN_EDGE] or [near[1]]
    start = median(starts)
    num_aligned = sum(abs(left - start) <= _ALIGNED for left in starts)
    return _Sides(median(ends), start, num_aligned >= _MIN_LINES and 2 * num_aligned > len(starts))


def _divided(piece: Box, strip: float, sides: _Sides) -> list[Box]:
    """Divide a piece at a strip if there is a wide gap or a gap between aligned words."""
    for index, (first, second) in enumerate(itertools.pairwise(piece.words), start=1):
        if first.left >= strip or second.left <= sides.before - _ALIGNED:
            continue
        is_near = first.right <= strip + _MIN_GAP and second.left >= strip - _MIN_GAP
        is_wide = second.left - first.right >= _WIDE_GAP * min(first.size, second.size)
        begins_column = abs(second.left - sides.after) <= _ALIGNED
        ends_column = abs(first.right - sides.before) <= _ALIGNED
        if (is_near and (is_wide or begins_column or ends_column)) or (begins_column and sides.is_after_aligned):
            return [piece_of(piece.words[:index]), piece_of(piece.words[index:])]
    return [piece]
