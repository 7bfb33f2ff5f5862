"""Table rows that a question is not about, because it names another row's key exactly: `K300-L`, not `K300`.

A reader that compares words finds such keys alike. The contents of the other rows cannot be the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from lorify.base.token_texts import Decode, token_texts

MIN_KEY_CHARS = 3
"""A shorter cell is a key only next to its column name (`room 1`), or if it has a letter and a digit (`v2`)."""
MAX_KEY_CHARS = 80
_ROW = re.compile(r"^[^:;\n]{1,60}: [^\n]+?; [^\n]+\.$", re.MULTILINE)
"""A row as written by `lorify.contexts.tables.markdown_rows`: `column: cell; column: cell.`"""
_CODE_PARTS = re.compile(r"[^\W\d_]+|\d+(?:[.,:-]\d+)*|[ _-]+|.")
_JOINTS = re.compile(r"[ _-]+")
_NOT_KEYS = frozenset(
    "and are but can did does for from had has have her his how its may not one our out she the they this two was were "
    "what when where which who whom whose why will with yes you your".split()
)


class TableCell(NamedTuple):
    """A cell with the name of its column."""

    column: str
    text: str


class TableRow(NamedTuple):
    """A row of a table, and its position in a text, in characters."""

    begin: int
    end: int
    cells: Sequence[TableCell]


def other_rows(question: str, text: str) -> list[tuple[int, int]]:
    """Find the table rows that a question is not about because it names the key of another row of the table.

    The first cell of a row is its key. If the question names no key, it may name other cells. A cell is named if the
    whole cell is in the question and is not part of a longer cell of the text.

    Args:
        question: the question; if the last of several lines names a row, only that line counts.
        text: a document with its tables written as text.

    Returns:
        Begin and end of each such row, in characters.
    """
    tables = [rows for rows in tables_of(text) if len(rows) > 1]
    if not tables:
        return []
    lines = question.strip().split("\n")
    for asked in dict.fromkeys((lines[-1], question)):
        named = _named_cells(asked, {cell for rows in tables for row in rows for cell in row.cells})
        others = [other for rows in tables for other in _others(rows, named)]
        if others:
            return sorted((row.begin, row.end) for row in others)
    return []


def without_other_rows(question: str, whole: str, parts: Iterable[str]) -> list[str]:
    """Return parts of a document without the rows that a question is not about.

    Args:
        question: as for `other_rows`.
        whole: the text of the whole document.
        parts: parts of that text.
    """
    rows = [whole[begin:end] for begin, end in other_rows(question, whole)]
    if not rows:
        return list(parts)
    pattern = re.compile(rf"^(?:{'|'.join(map(re.escape, rows))})\n?", re.MULTILINE)
    return [pattern.sub("", part) for part in parts]


def row_shares(question: str, ids: Sequence[int], decode: Decode) -> Tensor | None:
    """Compute which tokens of a document may be the answer, judging by table rows.

    Args:
        question: as for `other_rows`.
        ids: tokens of the document.
        decode: token ids -> text.

    Returns:
        0 for tokens of rows that the question is not about, else 1 `[tokens]`; None if there are no such rows.
    """
    if not other_rows(question, decode(ids)):  # decoding token by token takes far longer
        return None
    pieces = list(token_texts(ids, decode))
    starts = torch.tensor(list(accumulate(map(len, pieces), initial=0)))
    shares = torch.ones(len(ids))
    for begin, end in other_rows(question, "".join(pieces)):
        shares[(starts[1:] > begin) & (starts[:-1] < end)] = 0.0
    return shares


def tables_of(text: str) -> list[list[TableRow]]:
    """Find the tables of a text: rows with the same name of the first column."""
    tables: dict[str, list[TableRow]] = {}
    for match in _ROW.finditer(text):
        pairs = [part.partition(": ") for part in match[0][:-1].split("; ")]
        cells = [TableCell(name.casefold(), " ".join(value.split())) for name, colon, value in pairs if colon]
        if len(cells) > 1:
            tables.setdefault(cells[0].column, []).append(TableRow(*match.span(), cells))
    return list(tables.values())


def _named_cells(question: str, cells: Iterable[TableCell]) -> set[TableCell]:
    """The cells that a question names: whole cells that are not part of a longer one."""
    asked = " ".join(question.split())
    found = [(match.span(), cell) for cell in cells for match in _mentions(asked, cell)]
    spans = {span for span, _ in found}
    return {
        cell
        for (begin, end), cell in found
        if not any(first <= begin and end <= last and last - first > end - begin for first, last in spans)
    }


def _mentions(question: str, cell: TableCell) -> list[re.Match[str]]:
    text, plain = cell.text, cell.text.casefold()
    if not 0 < len(text) <= MAX_KEY_CHARS or plain in _NOT_KEYS:
        return []
    is_code = _is_code(text)
    if not is_code and plain not in question.casefold():
        return []
    is_key = is_code or sum(map(str.isalnum, text)) >= MIN_KEY_CHARS
    before = "" if is_key else rf"(?<={re.escape(cell.column.split()[-1])} )"
    # Not inside a word or a longer number or code; a possessive may follow: `K300-L's price`.
    words = _spelled(text) if is_code else re.escape(text)
    pattern = rf"(?<!\w)(?<!\w[-/.+]){before}{words}(?!\w)(?![-/.+]\w)(?!['’](?!s\b)\w)"
    found = re.finditer(pattern, question, re.IGNORECASE)
    return [each for each in found if not each[0].startswith(("a ", "A ", "i ", "I ")) or each[0] == text]


def _is_code(text: str) -> bool:
    """Whether a cell has letters and digits or hyphenated words: `K300`, `log-level`."""
    has_both = any(map(str.isdigit, text)) and any(map(str.isalpha, text))
    return has_both or re.search(r"[^\W_][-_][^\W_]", text) is not None


def _spelled(code: str) -> str:
    """A pattern for a code with optional spaces and hyphens next to letters: `K 300` for `K300`."""
    parts = _CODE_PARTS.findall(code)
    pattern = ""
    for before, part in zip(["", *parts], parts, strict=False):
        if _JOINTS.fullmatch(part):
            continue
        has_letter = before[-1:].isalpha() or part[:1].isalpha() or _JOINTS.fullmatch(before) is not None
        pattern += (r"[ _-]?" if pattern and has_letter else "") + re.escape(part)
    return pattern


def named_keys(question: str, rows: Sequence[TableRow]) -> dict[int, tuple[int, int]]:
    """Find the rows of a table whose first cell a question names, and its position in the question.

    Args:
        question: the question.
        rows: a table.

    Returns:
        Row number -> begin and end in characters of the question.
    """
    found: list[tuple[int, int, int]] = []
    for number, row in enumerate(rows):
        key = row.cells[0]
        plain = key.text.strip("`*-–=: ")
        cells = [key, TableCell(key.column, plain)] if plain and plain != key.text else [key]
        spans = [match.span() for cell in cells for match in _mentions(question, cell)]
        if spans:
            begin, end = max(spans, key=lambda span: span[1] - span[0])
            found.append((number, begin, end))
    return {
        number: (begin, end)
        for number, begin, end in found
        if not any(first <= begin and end <= last and last - first > end - begin for _, first, last in found)
    }


def _others(rows: Sequence[TableRow], named: set[TableCell]) -> list[TableRow]:
    """The rows of a table that a question is not about; none if it names none of the rows, or all."""
    ranks = [(row.cells[0] in named, sum(cell in named for cell in row.cells)) for row in rows]
    best = max(ranks)
    if not best[1]:
        return []
    keys = {row.cells[0].text.casefold() for row, rank in zip(rows, ranks, strict=True) if rank == best and best[0]}
    return [
        row
        for row, rank in zip(rows, ranks, strict=True)
        # Another row may refer to the one asked about: `replaces: K300`.
        if rank != best and not any(cell.text.casefold() in keys for cell in row.cells[1:])
    ]
