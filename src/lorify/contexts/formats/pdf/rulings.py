"""Ruling lines of a page, and the grids that they form."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import pypdfium2.raw as pdfium
from pypdfium2 import PdfPage

from lorify.contexts.formats.pdf.boxes import Box
from lorify.contexts.formats.pdf.characters import turn

MAX_LINES = 5_000
"""Maximum number of lines on a page; drawings and maps have more, but no tables."""
MAX_OBJECTS = 50_000
_MAX_DEPTH = 4
_TOLERANCE = 3.0
"""Distance, in points, up to which lines meet or count as one line."""
_MIN_LENGTH = 4.0
_OPEN_SIDE = 12.0
"""If horizontal lines extend this far past the outermost column lines, in points, they enclose another column."""
_WIDE_BAND = 2.0
"""A band without column lines is not a row if it is more than this many times as high as a usual row."""

_Matrix = tuple[float, float, float, float, float, float]
_IDENTITY: _Matrix = (1, 0, 0, 1, 0, 0)


@dataclass(frozen=True)
class Line:
    """A line along one axis: its position on the other axis, its start and its end, in points."""

    at: float
    start: float
    end: float


@dataclass(frozen=True)
class Grid:
    """Crossing lines.

    Attributes:
        columns: where columns begin and end, in points from the left.
        rows: where rows begin and end, in points from the top.
        down: the lines between columns; none of them crosses a cell that spans several columns.
    """

    columns: list[float]
    rows: list[float]
    down: list[Line]

    def contains(self, box: Box) -> bool:
        """Return whether the middle of a box is inside the grid."""
        middle = (box.left + box.right) / 2
        return self.columns[0] < middle < self.columns[-1] and self.rows[0] < box.middle < self.rows[-1]

    def divides(self, box: Box) -> bool:
        """Return whether a line between columns runs through a box."""
        return any(line.start < box.middle < line.end and box.left + 1 < line.at < box.right - 1 for line in self.down)


def find_grids(page: PdfPage, angle: int) -> list[Grid]:
    """Find the grids with at least two columns and two rows on a page turned by `angle` degrees."""
    across: list[Line] = []
    down: list[Line] = []
    objects = (pdfium.FPDFPage_GetObject(page, index) for index in range(pdfium.FPDFPage_CountObjects(page)))
    for index, (start, end) in enumerate(_segments(objects, _IDENTITY, 0)):
        if index > 4 * MAX_LINES or len(across) + len(down) > MAX_LINES:
            return []
        (x0, y0), (x1, y1) = turn(*start, angle), turn(*end, angle)
        if abs(y1 - y0) <= 1 and abs(x1 - x0) >= _MIN_LENGTH:
            across.append(Line((y0 + y1) / 2, min(x0, x1), max(x0, x1)))
        elif abs(x1 - x0) <= 1 and abs(y1 - y0) >= _MIN_LENGTH:
            down.append(Line((x0 + x1) / 2, min(y0, y1), max(y0, y1)))
    grids = [grid for group in _crossing(_merged(across), _merged(down)) for grid in _grids(*group)]
    return [grid for grid in grids if len(grid.columns) > 2 and len(grid.rows) > 2]


def _segments(objects: Iterator[object], matrix: _Matrix, depth: int) -> Iterator[tuple[tuple[float, float], ...]]:
    """Yield the straight segments of paths as pairs of points; form objects contain other objects."""
    for number, each in enumerate(objects):
        if number > MAX_OBJECTS:
            return
        kind = pdfium.FPDFPageObj_GetType(each)
        if kind == pdfium.FPDF_PAGEOBJ_PATH:
            yield from _path_segments(each, _combined(_own_matrix(each), matrix))
        elif kind == pdfium.FPDF_PAGEOBJ_FORM and depth < _MAX_DEPTH:
            inner = (pdfium.FPDFFormObj_GetObject(each, i) for i in range(pdfium.FPDFFormObj_CountObjects(each)))
            yield from _segments(inner, _combined(_own_matrix(each), matrix), depth + 1)


def _path_segments(path: object, matrix: _Matrix) -> Iterator[tuple[tuple[float, float], ...]]:
    first = last = None
    x, y = ctypes.c_float(), ctypes.c_float()
    for index in range(pdfium.FPDFPath_CountSegments(path)):
        segment = pdfium.FPDFPath_GetPathSegment(path, index)
        pdfium.FPDFPathSegment_GetPoint(segment, ctypes.byref(x), ctypes.byref(y))
        point = _placed(x.value, y.value, matrix)
        if pdfium.FPDFPathSegment_GetType(segment) == pdfium.FPDF_SEGMENT_MOVETO:
            first = point
        elif last is not None:
            yield last, point
        last = point
        if pdfium.FPDFPathSegment_GetClose(segment) and first is not None:
            yield last, first


def _own_matrix(page_object: object) -> _Matrix:
    matrix = pdfium.FS_MATRIX()
    pdfium.FPDFPageObj_GetMatrix(page_object, ctypes.byref(matrix))
    return matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f


def _combined(inner: _Matrix, outer: _Matrix) -> _Matrix:
    a, b, c, d, e, f = inner
    (e2, f2) = _placed(e, f, outer)
    oa, ob, oc, od, _, _ = outer
    return a * oa + b * oc, a * ob + b * od, c * oa + d * oc, c * ob + d * od, e2, f2


def _placed(x: float, y: float, matrix: _Matrix) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _merged(lines: Sequence[Line]) -> list[Line]:
    """Join lines that continue or repeat each other, such as the two sides of a thin rectangle."""
    merged: list[Line] = []
    for line in sorted(lines, key=lambda line: (round(line.at / _TOLERANCE), line.start)):
        last = merged[-1] if merged else None
        if last is not None and abs(last.at - line.at) <= _TOLERANCE and line.start <= last.end + _TOLERANCE:
            merged[-1] = Line(last.at, min(last.start, line.start), max(last.end, line.end))
        else:
            merged.append(line)
    return merged


def _crossing(across: list[Line], down: list[Line]) -> list[tuple[list[Line], list[Line]]]:
    """Group lines that cross or touch each other, directly or through others."""
    groups = list(range(len(across) + len(down)))

    def root(index: int) -> int:
        while groups[index] != index:
            groups[index] = groups[groups[index]]
            index = groups[index]
        return index

    for i, row in enumerate(across):
        for j, column in enumerate(down, start=len(across)):
            if _reaches(row, column.at) and _reaches(column, row.at):
                groups[root(i)] = root(j)
    found: dict[int, tuple[list[Line], list[Line]]] = {}
    for index, line in enumerate([*across, *down]):
        found.setdefault(root(index), ([], []))[index >= len(across)].append(line)
    return [group for group in found.values() if all(group)]


def _reaches(line: Line, place: float) -> bool:
    return line.start - _TOLERANCE <= place <= line.end + _TOLERANCE


def _grids(across: list[Line], down: list[Line]) -> Iterator[Grid]:
    """Yield the grids formed by lines that touch each other, split at wide bands without column lines.

    Such a band contains text, and a chart or another table may follow it.
    """
    rows, columns = _places(across), _places(down)
    inner = [line for line in down if columns[0] + _TOLERANCE < line.at < columns[-1] - _TOLERANCE]
    bands = list(itertools.pairwise(rows))
    heights = [bottom - top for top, bottom in bands if _is_divided(top, bottom, inner)]
    usual = median(heights) if heights else 0.0
    start = 0
    for index, (top, bottom) in enumerate(bands):
        if bottom - top > _WIDE_BAND * usual and not _is_divided(top, bottom, inner):
            yield from _one_grid(rows[start : index + 1], across, down)
            start = index + 1
    yield from _one_grid(rows[start:], across, down)


def _is_divided(top: float, bottom: float, down: Sequence[Line]) -> bool:
    return any(line.start <= (top + bottom) / 2 <= line.end for line in down)


def _one_grid(rows: list[float], across: Sequence[Line], down: Sequence[Line]) -> Iterator[Grid]:
    if len(rows) < 2:
        return
    inside = [line for line in down if line.start < rows[-1] - _TOLERANCE and line.end > rows[0] + _TOLERANCE]
    if inside:
        columns = _with_open_sides(_places(inside), [line for line in across if rows[0] <= line.at <= rows[-1]])
        yield Grid(columns, rows, inside)


def _with_open_sides(columns: list[float], across: Sequence[Line]) -> list[float]:
    """Add outer columns where horizontal lines extend past the outermost column lines: such tables have no frame."""
    left = sorted(line.start for line in across)
    right = sorted((line.end for line in across), reverse=True)
    # A single longer line may be the rule of a heading.
    if len(left) > 1 and columns[0] - left[1] > _OPEN_SIDE:
        columns = [left[1], *columns]
    if len(right) > 1 and right[1] - columns[-1] > _OPEN_SIDE:
        columns = [*columns, right[1]]
    return columns


def _places(lines: Sequence[Line]) -> list[float]:
    places: list[float] = []
    for line in sorted(lines, key=lambda line: line.at):
        if not places or line.at - places[-1] > _TOLERANCE:
            places.append(line.at)
    return places
