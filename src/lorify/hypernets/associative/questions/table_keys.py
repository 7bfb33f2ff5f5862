"""Rows of tables that a question is not about: it names the key of another row exactly, such as `K300-L` beside `K300`.

A reader that compares words finds the keys of such rows alike. What stands in the other rows cannot be the answer.
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
"""A shorter cell is a key only beside the name of its column (`room 1`), or if it has a letter and a digit (`v2`)."""
MAX_KEY_CHARS = 80
_ROW = re.compile(r"^[^:;\n]{1,60}: [^\n]+?; [^\n]+\.$", re.MULTILINE)
"""A row as `lorify.contexts.table_rows` writes it: `column: cell; column: cell.`"""
_NOT_KEYS = frozenset(
    "and are but can did does for from had has have her his how its may not one our out she the they this two was were "
    "what when where which who whom whose why will with yes you your".split()
)


class _Cell(NamedTuple):
    column: str
    text: str


class _Row(NamedTuple):
    """A row of a table, and where it stands in a text, in characters."""

    begin: int
    end: int
    cells: Sequence[_Cell]


def other_rows(question: str, text: str) -> list[tuple[int, int]]:
    """Find the rows of tables that a question is not about, as it names the key of another row of the table.

    The first cell of a row is its key. If the question names none, it may name other cells. A cell is named if it
    stands in the question as a whole and not within a longer cell of the text.

    Args:
        question: the question; of several lines the last one is asked, and counts alone if it names a row.
        text: a document with its tables in words.

    Returns:
        Begin and end of each such row, in characters.
    """
    tables = [rows for rows in _tables(text) if len(rows) > 1]
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
        parts: texts of parts of it.
    """
    rows = [whole[begin:end] for begin, end in other_rows(question, whole)]
    if not rows:
        return list(parts)
    pattern = re.compile(rf"^(?:{'|'.join(map(re.escape, rows))})\n?", re.MULTILINE)
    return [pattern.sub("", part) for part in parts]


def row_shares(question: str, ids: Sequence[int], decode: Decode) -> Tensor | None:
    """Compute which tokens of a document may be the answer as far as rows of tables go.

    Args:
        question: as for `other_rows`.
        ids: tokens of the document.
        decode: token ids -> text.

    Returns:
        0 for tokens of rows that the question is not about, else 1 `[tokens]`; None if there are no such rows.
    """
    if not other_rows(question, decode(ids)):  # token by token it takes far longer
        return None
    pieces = list(token_texts(ids, decode))
    starts = torch.tensor(list(accumulate(map(len, pieces), initial=0)))
    shares = torch.ones(len(ids))
    for begin, end in other_rows(question, "".join(pieces)):
        shares[(starts[1:] > begin) & (starts[:-1] < end)] = 0.0
    return shares


def _tables(text: str) -> list[list[_Row]]:
    """Rows with the same name of the first column."""
    tables: dict[str, list[_Row]] = {}
    for match in _ROW.finditer(text):
        pairs = [part.partition(": ") for part in match[0][:-1].split("; ")]
        cells = [_Cell(name.casefold(), " ".join(value.split())) for name, colon, value in pairs if colon]
        if len(cells) > 1:
            tables.setdefault(cells[0].column, []).append(_Row(*match.span(), cells))
    return list(tables.values())


def _named_cells(question: str, cells: Iterable[_Cell]) -> set[_Cell]:
    """The cells that a question names: whole, and not as part of a longer one."""
    asked = " ".join(question.split())
    found = [(match.span(), cell) for cell in cells for match in _mentions(asked, cell)]
    spans = {span for span, _ in found}
    return {
        cell
        for (begin, end), cell in found
        if not any(first <= begin and end <= last and last - first > end - begin for first, last in spans)
    }


def _mentions(question: str, cell: _Cell) -> list[re.Match[str]]:
    text, plain = cell.text, cell.text.casefold()
    if not 0 < len(text) <= MAX_KEY_CHARS or plain in _NOT_KEYS or plain not in question.casefold():
        return []
    is_code = any(map(str.isdigit, text)) and any(map(str.isalpha, text))
    is_key = is_code or sum(map(str.isalnum, text)) >= MIN_KEY_CHARS
    before = "" if is_key else rf"(?<={re.escape(cell.column.split()[-1])} )"
    # Not within a word or a longer number or code, but before a possessive: `K300-L's price`.
    pattern = rf"(?<!\w)(?<!\w[-/.+]){before}{re.escape(text)}(?!\w)(?![-/.+]\w)(?!['’](?!s\b)\w)"
    return list(re.finditer(pattern, question, re.IGNORECASE))


def _others(rows: Sequence[_Row], named: set[_Cell]) -> list[_Row]:
    """The rows of a table that a question is not about; none if it names none of its rows, or all."""
    ranks = [(row.cells[0] in named, sum(cell in named for cell in row.cells)) for row in rows]
    best = max(ranks)
    if not best[1]:
        return []
    keys = {row.cells[0].text.casefold() for row, rank in zip(rows, ranks, strict=True) if rank == best and best[0]}
    return [
        row
        for row, rank in zip(rows, ranks, strict=True)
        # Another row may refer to the one that is asked about: `replaces: K300`.
        if rank != best and not any(cell.text.casefold() in keys for cell in row.cells[1:])
    ]
