"""Write Markdown tables as text: each row repeats its column names, since the memory reads rows alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SEPARATOR = re.compile(r"^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_CELL_END = re.compile(r"(?<!\\)\|")


def rows_in_words(text: str) -> str:
    """Write the rows of Markdown tables as `column: cell; column: cell.`; everything else stays unchanged.

    A table is a line of column names, a line of dashes with the same number of columns, and rows. Empty cells are
    left out.

    Example:
        >>> rows_in_words("| size | price |\\n|---|---|\\n| small | 3 euros |")
        'size: small; price: 3 euros.'
    """
    return "\n".join(_lines(text.split("\n"))) if "|" in text else text


def _lines(lines: list[str]) -> Iterator[str]:
    number = 0
    while number < len(lines):
        columns = _cells(lines[number])
        if not _begins_table(lines, number, len(columns)):
            yield lines[number]
            number += 1
            continue
        number += 2
        while number < len(lines) and "|" in lines[number]:
            yield _row(columns, _cells(lines[number]))
            number += 1


def _begins_table(lines: list[str], number: int, num_columns: int) -> bool:
    if number + 2 >= len(lines) or "|" not in lines[number] or "|" not in lines[number + 2]:
        return False
    separator = lines[number + 1]
    return _SEPARATOR.match(separator) is not None and len(_cells(separator)) == num_columns > 1


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [cell.strip().replace("\\|", "|") for cell in _CELL_END.split(inner)]


def _row(columns: list[str], cells: list[str]) -> str:
    pairs = [f"{name}: {cell}" if name else cell for name, cell in zip(columns, cells, strict=False) if cell]
    pairs += [cell for cell in cells[len(columns) :] if cell]
    return "; ".join(pairs) + "." if pairs else ""
