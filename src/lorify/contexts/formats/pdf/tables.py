"""Tables on a page, from grids of ruling lines or from aligned pieces of lines."""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from lorify.contexts.formats.pdf.boxes import Box, joined, text_lines
from lorify.contexts.formats.pdf.characters import grouped_words, piece_of
from lorify.contexts.formats.pdf.crossings import divided_pieces
from lorify.contexts.formats.pdf.rulings import Grid
from lorify.contexts.formats.tables import markdown_tables

_MAX_DIVIDED = 0.2
"""A grid is not a table if a larger fraction of its cell lines has several pieces."""
_LABEL_WORDS, _MIN_LABELLED = 4, 0.6
"""Labels left of a grid are its first column if they have at most this many words and at least this share of lines
has one."""
_MANY_LINES = 4
"""At least this many lines of text between two ruling lines are rows, if two of their cells are filled."""
_LABEL = re.compile(r"[-•–▪■●◦‣*]|\(?\.?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})(?:\.\d{1,3})*[.):]?")
_WRAPPED = re.compile(r"[a-zß-öø-ÿ(]")
"""Start of a first cell that continues the one above."""
_PAGE_NUMBER = re.compile(r"\.\.\. \S+$")


def labelled_grid(grid: Grid, words: Sequence[Box]) -> Grid:
    """Return a grid with its row labels, if they are outside its lines on the left.

    Args:
        grid: the lines.
        words: the words of the page.
    """
    inside = text_lines([word for word in words if grid.contains(word)])
    beside = [word for word in words if word.right <= grid.columns[0] + 1 and _is_between(word, grid.rows)]
    labels = [label for label in text_lines(beside) if any(label[0].is_beside(line[0]) for line in inside)]
    are_short = bool(labels) and median(len(label) for label in labels) <= _LABEL_WORDS
    if not are_short or len(labels) < max(2, _MIN_LABELLED * max(len(inside), len(text_lines(beside)))):
        return grid
    return replace(grid, columns=[min(word.left for word in beside) - 1, *grid.columns])


def _is_between(word: Box, rows: Sequence[float]) -> bool:
    return rows[0] < word.middle < rows[-1]


def ruled_table(grid: Grid, words: Sequence[Box]) -> Box | None:
    """Return the table in a grid as one box; None if there is text in fewer than two cells.

    Args:
        grid: its lines.
        words: the words inside it.
    """
    pieces: list[Box] = []
    for group in grouped_words(words):
        piece = piece_of(group)
        pieces += group if grid.divides(piece) else [piece]
    pieces = divided_pieces([pieces], grid.columns[1:-1])
    bands: list[list[Box]] = [[] for _ in grid.rows[1:]]
    for piece in pieces:
        bands[_index(grid.rows, piece.middle)].append(piece)
    if _has_columns_in_cells(bands, grid.columns):
        return None
    rows = _with_whole_first_cells([row for band in bands if band for row in _split_band(band, grid.columns)])
    if sum(any(column) for column in zip(*rows, strict=True)) < 2:
        return None
    return _block(markdown_tables(rows), pieces, grid)


def aligned_table(pieces: Sequence[Box], gutters: Sequence[float]) -> Box:
    """Return pieces of lines that are aligned in columns as a table, in one box.

    Args:
        pieces: the pieces of lines.
        gutters: places between the columns, from the left.
    """
    edges = [float("-inf"), *gutters, float("inf")]
    lines = text_lines(pieces)
    rows: list[list[str]] = []
    for above, line in zip([None, *lines], lines, strict=False):
        cells = _cells(line, edges)
        if above is not None and _continues(above, line, cells, rows[-1]):
            rows[-1] = [f"{upper} {lower}".strip() for upper, lower in zip(rows[-1], cells, strict=True)]
        else:
            rows.append(cells)
    rows = _with_whole_first_cells(rows)
    if len(gutters) == 1 and all(_LABEL.fullmatch(row[0]) for row in rows if row[0]):
        return _block("\n".join(" ".join(filter(None, row)) for row in rows), pieces)
    end = max(index for index, row in enumerate(rows) if any(row[1:])) + 1
    after = [row[0] for row in rows[end:]]  # headings and lines below the table
    return _block("\n\n".join([markdown_tables(rows[:end]), *after]), pieces)


def _block(text: str, pieces: Sequence[Box], grid: Grid | None = None) -> Box:
    """Return a table as one box: the box of its grid, or a box around its pieces."""
    around = joined(pieces)
    if grid is None:
        return replace(around, text=text, is_block=True)
    left, right, top, bottom = grid.columns[0], grid.columns[-1], grid.rows[0], grid.rows[-1]
    return replace(around, text=text, is_block=True, left=left, right=right, top=top, bottom=bottom)


def _has_columns_in_cells(bands: Sequence[Sequence[Box]], columns: Sequence[float]) -> bool:
    """Return whether many cells are divided into columns: then the lines frame tables, not cells."""
    num_lines = num_divided = 0
    for band in bands:
        cells: dict[int, list[Box]] = {}
        for piece in band:
            cells.setdefault(_index(columns, piece.left + 1), []).append(piece)
        for cell in cells.values():
            lines = text_lines(cell)
            num_lines += len(lines)
            num_divided += sum(_is_divided(line, cell) for line in lines)
    return num_divided > _MAX_DIVIDED * num_lines


def _is_divided(line: Sequence[Box], cell: Sequence[Box]) -> bool:
    """Return whether a line of a cell has a wide gap that no other line of the cell crosses."""
    gaps = [(a.right + b.left) / 2 for a, b in itertools.pairwise(line)]
    return any(not any(piece.left < gap < piece.right for piece in cell) for gap in gaps)


def _continues(above: Sequence[Box], line: Sequence[Box], cells: Sequence[str], row: Sequence[str]) -> bool:
    """Return whether a line continues cells of the row above: it is close to it and its first cell is empty."""
    is_close = line[0].top - above[0].bottom < 0.6 * line[0].size
    is_entry = _PAGE_NUMBER.search(row[-1] or row[-2]) is not None  # in a table of contents
    return is_close and not is_entry and not cells[0] and bool(row[0]) and any(row[i] for i, c in enumerate(cells) if c)


def _with_whole_first_cells(rows: Sequence[list[str]]) -> list[list[str]]:
    """Join first cells whose text continues in the next row, which contains the other cells."""
    first = min((index for row in rows for index, cell in enumerate(row) if cell), default=0)
    whole: list[list[str]] = []
    for row in rows:
        above = whole[-1] if whole else None
        is_lone = above is not None and bool(above[first]) and sum(map(bool, above)) == 1
        if above is not None and is_lone and any(row[first + 1 :]) and _WRAPPED.match(row[first]):
            whole[-1] = [*row[:first], f"{above[first]} {row[first]}", *row[first + 1 :]]
        else:
            whole.append(row)
    return whole


def _split_band(band: Sequence[Box], columns: Sequence[float]) -> list[list[str]]:
    """Return the rows of text between two ruling lines.

    There are several rows if most columns have text on every line; otherwise the lines of a cell belong together.
    """
    lines = text_lines(band)
    cells = [_cells(line, columns) for line in lines]
    used = [sum(bool(row[i]) for row in cells) for i in range(len(columns) - 1)]
    filled = [count for count in used if count]
    shared = sum(sum(map(bool, row)) > 1 for row in cells)
    if len(lines) >= _MANY_LINES and (shared > 0.6 * len(lines) or _are_rows_of_values(cells)):
        return cells
    if len(lines) > 1 and len(filled) > 1 and sum(count == len(lines) for count in filled) > 0.6 * len(filled):
        return cells
    return [[" ".join(filter(None, column)) for column in zip(*cells, strict=True)]]


def _are_rows_of_values(cells: Sequence[Sequence[str]]) -> bool:
    """Return whether some lines have a value in every used column after the first, and the others only a first cell."""
    rows = [row for row in cells if any(row[1:])]
    used = [index for index in range(1, len(cells[0])) if any(row[index] for row in rows)]
    values = [row[index] for row in rows for index in used]
    num_numbers = sum(any(map(str.isdigit, value)) for value in values)
    return len(rows) > 2 and len(used) > 1 and all(values) and 2 * num_numbers > len(values)


def _cells(line: Sequence[Box], edges: Sequence[float]) -> list[str]:
    cells = [""] * (len(edges) - 1)
    for piece in line:
        # A cell that spans several columns belongs to the first of them.
        index = _index(edges, min(piece.left + piece.size / 2, (piece.left + piece.right) / 2))
        cells[index] = f"{cells[index]} {piece.text}".strip()
    return cells


def _index(edges: Sequence[float], place: float) -> int:
    return min(max(bisect.bisect_right(edges, place) - 1, 0), len(edges) - 2)
