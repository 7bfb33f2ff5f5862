"""Reading order: tell columns of text from aligned tables, and read them one after the other."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lorify.contexts.formats.pdf.boxes import Box, text_lines
from lorify.contexts.formats.pdf.crossings import divided_pieces, few_crossing
from lorify.contexts.formats.pdf.tables import aligned_table

MAX_PIECES = 4_000
"""A page with more pieces of lines is read from top to bottom, since finding columns would take too long."""
_MAX_DEPTH = 12
_MIN_GUTTER = 4.0
_PROSE_WORDS, _PROSE_FULLNESS = 3.5, 0.6


@dataclass(frozen=True)
class _Gutter:
    """A white strip between columns: its middle, and the heights at which it begins and ends, in points."""

    middle: float
    top: float
    bottom: float


def reading_order(pieces: Sequence[Box], depth: int = 0) -> list[list[Box]]:
    """Arrange the pieces of lines of a page.

    Returns:
        Blocks in reading order. Each holds lines of one column from top to bottom, or a table.
    """
    gutter = _widest_gutter(pieces) if depth < _MAX_DEPTH and 3 < len(pieces) <= MAX_PIECES else None
    if gutter is None:
        return _one_column(pieces)
    above = [piece for piece in pieces if piece.middle < gutter.top]
    below = [piece for piece in pieces if piece.middle > gutter.bottom]
    band = [piece for piece in pieces if gutter.top <= piece.middle <= gutter.bottom]
    return [
        *(reading_order(above, depth + 1) if above else []),
        *_band_order(band, gutter, depth + 1),
        *(reading_order(below, depth + 1) if below else []),
    ]


def _band_order(band: Sequence[Box], gutter: _Gutter, depth: int) -> list[list[Box]]:
    gutters = _free_strips(band)
    if not any(piece.is_block for piece in band) and gutters and _is_table(band, gutters):
        return [_line_or_table(section) for section in _sections(text_lines(band))]
    left = [piece for piece in band if piece.right <= gutter.middle]
    right = [piece for piece in band if piece.right > gutter.middle]
    return reading_order(left, depth) + reading_order(right, depth)


def _sections(lines: Sequence[list[Box]]) -> list[list[list[Box]]]:
    """Split the lines of a band where its columns change after a one-piece line, such as the heading of a table."""
    groups: list[list[list[Box]]] = []
    for line in lines:
        if len(line) > 1 and groups:
            groups[-1].append(line)
        else:
            groups.append([line])
    sections: list[list[list[Box]]] = []
    for group in groups:
        if sections and _have_same_columns(sections[-1], group):
            sections[-1] += group
        else:
            sections.append(group)
    return sections


def _have_same_columns(above: list[list[Box]], below: list[list[Box]]) -> bool:
    first, second = len(_strips_of([above])), len(_strips_of([below]))
    return not first or not second or len(_strips_of([above, below])) >= max(first, second)


def _strips_of(sections: Sequence[Sequence[list[Box]]]) -> list[float]:
    """Return the strips between the columns of lines with several pieces.

    Pieces that cross a strip left free by the other lines of their section are ignored.
    """
    several = [[line for line in lines if len(line) > 1] for lines in sections]
    pieces = [piece for lines in several for line in lines for piece in line]
    return _free_strips(pieces, [piece for lines in several for piece in few_crossing(lines)])


def _line_or_table(lines: Sequence[list[Box]]) -> list[Box]:
    strips = _strips_of([lines])
    if not strips:
        return [_line(line) for line in lines]
    start = next(index for index, line in enumerate(lines) if len(line) > 1)
    table = aligned_table(divided_pieces(lines[start:], strips), strips)
    return [*(replace(_line(line), is_block=True) for line in lines[:start]), table]


def _one_column(pieces: Sequence[Box]) -> list[list[Box]]:
    """Return lines from top to bottom as one block, with tables as separate blocks."""
    blocks: list[list[Box]] = [[]]
    for line in text_lines(pieces):
        if any(piece.is_block for piece in line):
            blocks += [*([piece] for piece in line), []]
        else:
            blocks[-1].append(_line(line))
    return [block for block in blocks if block]


def _line(pieces: Sequence[Box]) -> Box:
    first, last = pieces[0], max(pieces, key=lambda piece: piece.right)
    return Box(
        " ".join(piece.text for piece in pieces), first.left, min(piece.top for piece in pieces), last.right,
        max(piece.bottom for piece in pieces), max(piece.size for piece in pieces), first.index,
    )  # fmt: skip


def _widest_gutter(pieces: Sequence[Box]) -> _Gutter | None:
    """Return the gutter with most text beside it: a place between neighbours that no piece crosses for some lines."""
    ordered = sorted(pieces, key=lambda piece: piece.middle)
    best, most = None, 2
    for place in _gap_middles(ordered):
        crossing = [i for i, piece in enumerate(ordered) if piece.left < place - 1 and piece.right > place + 1]
        for before, after in zip([-1, *crossing], [*crossing, len(ordered)], strict=True):
            inside = ordered[before + 1 : after]
            right = [piece for piece in inside if piece.left >= place - 1]
            left = [piece for piece in inside if piece.right <= place + 1]
            weight = min(_num_lines(left), _num_lines(right))
            is_wide = weight > 1 and _strip_width(left, right) >= inside[0].size
            if weight > most or (weight == most and best is None and is_wide):
                below = ordered[after].middle if after < len(ordered) else None
                best, most = _gutter(place, left, right, below), weight
    return best


def _gutter(place: float, left: Sequence[Box], right: Sequence[Box], below: float | None) -> _Gutter:
    """Return the gutter that begins where there is text on both sides.

    Args:
        place: its middle.
        left: text on the left.
        right: text on the right.
        below: position of what crosses it below; None if nothing does.
    """
    inside = [*left, *right]
    start = max(min(piece.top for piece in left), min(piece.top for piece in right))
    end = min(max(piece.bottom for piece in left), max(piece.bottom for piece in right))
    top = min((piece.middle for piece in inside if piece.bottom > start), default=start)
    bottom = max((piece.middle for piece in inside if piece.top < end), default=end)
    return _Gutter(place, top, bottom if below is None else max(bottom, below - 0.01))


def _strip_width(left: Sequence[Box], right: Sequence[Box]) -> float:
    return min(piece.left for piece in right) - max(piece.right for piece in left)


def _num_lines(pieces: Sequence[Box]) -> int:
    return sum(max(1, round((piece.bottom - piece.top) / max(1.0, piece.size))) for piece in pieces)


def _gap_middles(ordered: Sequence[Box]) -> list[float]:
    """Return the middles of gaps between neighbours on a line, most frequent first and near ones once."""
    gaps: list[tuple[float, float]] = []
    for line in text_lines(ordered):
        gaps += [(a.right, b.left) for a, b in itertools.pairwise(line) if b.left - a.right >= _MIN_GUTTER]
    counts = [(sum(start < (a + b) / 2 < end for start, end in gaps), (a + b) / 2) for a, b in gaps]
    chosen: list[float] = []
    for _, middle in sorted(counts, reverse=True):
        if all(abs(middle - other) > _MIN_GUTTER for other in chosen):
            chosen.append(middle)
        if len(chosen) == 24:
            break
    return chosen


def _free_strips(pieces: Sequence[Box], ignored: Sequence[Box] = ()) -> list[float]:
    """Return the middles, from the left, of all strips that no piece crosses except ignored ones."""
    strips: list[float] = []
    reach = None
    left_out = {id(piece) for piece in ignored}
    for piece in sorted((piece for piece in pieces if id(piece) not in left_out), key=lambda piece: piece.left):
        if reach is not None and piece.left - reach >= _MIN_GUTTER:
            strips.append((reach + piece.left) / 2)
        reach = piece.right if reach is None else max(reach, piece.right)
    return strips


def _is_table(band: Sequence[Box], gutters: Sequence[float]) -> bool:
    """Return whether columns form a table: they are not prose, and aligned line by line."""
    edges = [float("-inf"), *gutters, float("inf")]
    columns = [
        [piece for piece in band if start < (piece.left + piece.right) / 2 < end]
        for start, end in itertools.pairwise(edges)
    ]
    if sum(map(_is_prose, columns)) > 1:
        return False
    lines = text_lines(band)
    shared = [line for line in lines if len(line) > 1]
    beside_first = [any(line[0] is piece and len(line) > 1 for line in lines) for piece in columns[0]]
    return 2 * len(shared) >= len(lines) or (len(shared) > 1 and sum(beside_first) >= 0.8 * len(beside_first))


def _is_prose(column: Sequence[Box]) -> bool:
    width = max(piece.right for piece in column) - min(piece.left for piece in column)
    num_words = sum(len(piece.text.split()) for piece in column) / len(column)
    full = sum(piece.right - piece.left > _PROSE_FULLNESS * width for piece in column)
    return len(column) > 2 and num_words >= _PROSE_WORDS and full >= 0.5 * len(column)
