"""Spreadsheets (xlsx, xls) as Markdown tables: one heading per sheet, one table per block of rows."""

from __future__ import annotations

import datetime
import io
import itertools
import re
import zipfile
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from lorify.contexts.formats.source import FileContent
from lorify.contexts.formats.tables import markdown_tables

if TYPE_CHECKING:
    from xlrd.sheet import Cell

_DECIMALS = re.compile(r"0\.(0+)")
_COMMENTS = re.compile(r"xl/(?:worksheets/)?comments/?\w*\.xml$")
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_CURRENCY = re.compile(r"[$€£¥]")


def read_xlsx(source: FileContent) -> str:
    """Read an Excel workbook: the displayed values, or the formula if a cell was never computed."""
    import openpyxl

    values = openpyxl.load_workbook(io.BytesIO(source.data), read_only=True, data_only=True)
    formulas = openpyxl.load_workbook(io.BytesIO(source.data), read_only=True)
    tables = _write_sheets((sheet.title, _xlsx_rows(sheet, formulas[sheet.title])) for sheet in values.worksheets)
    return "\n\n".join(filter(None, [tables, *_xlsx_comments(source.data)]))


def _xlsx_comments(data: bytes) -> Iterator[str]:
    """Yield the comments on cells, which openpyxl leaves out when it reads row by row."""
    from defusedxml.ElementTree import fromstring

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in sorted(filter(_COMMENTS.match, archive.namelist())):
            for comment in fromstring(archive.read(name)).iter(f"{_MAIN}comment"):
                text = " ".join("".join(comment.itertext()).split())
                yield f"Comment on {comment.get('ref', 'a cell')}: {text}"


def read_xls(source: FileContent) -> str:
    """Read a workbook of Excel 97 to 2003."""
    import xlrd

    with xlrd.open_workbook(file_contents=source.data, on_demand=True) as book:
        sheets = [
            (sheet.name, [[_xls_value(cell, book.datemode) for cell in row] for row in sheet.get_rows()])
            for sheet in book.sheets()
        ]
    return _write_sheets(sheets)


def show_value(value: Any, number_format: str = "General") -> str:
    """Write a cell's value as a spreadsheet shows it.

    Args:
        value: a text, number, truth value, date or time; None for an empty cell.
        number_format: Excel's format; only its decimals, percent and currency signs are used.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return _show_number(value, number_format)
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "minutes" if value.second == 0 else "seconds")
    return str(value)


def _show_number(value: float, number_format: str) -> str:
    shown = number_format.partition(";")[0]
    decimals = _DECIMALS.search(shown)
    if "%" in shown:
        return f"{round(value * 100, len(decimals.group(1)) if decimals else 2):.15g}%"
    text = f"{value:.{len(decimals.group(1))}f}" if decimals else f"{value:.15g}"
    currency = _CURRENCY.search(shown)
    if currency is None:
        return text
    is_first = currency.start() < re.search(r"[0#]|$", shown).start()  # type: ignore[union-attr]
    return currency.group() + text if is_first else f"{text} {currency.group()}"


def _xlsx_rows(sheet: Any, formulas: Any) -> Iterator[list[str]]:
    """Yield the cells of each row as text."""
    for each in (sheet, formulas):
        each.reset_dimensions()  # some programs write wrong dimensions
    for row, formula_row in itertools.zip_longest(
        sheet.iter_rows(), formulas.iter_rows(values_only=True), fillvalue=()
    ):
        formula_cells = itertools.chain(formula_row, itertools.repeat(None))
        yield [
            show_value(formula if cell.value is None else cell.value, cell.number_format or "General")
            for cell, formula in zip(row, formula_cells, strict=False)
        ]


def _xls_value(cell: Cell, datemode: Literal[0, 1]) -> str:
    import xlrd

    if cell.ctype == xlrd.XL_CELL_DATE:
        return show_value(xlrd.xldate_as_datetime(float(cell.value), datemode))
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return show_value(bool(cell.value))
    return "" if cell.ctype == xlrd.XL_CELL_ERROR else show_value(cell.value)


def _write_sheets(sheets: Iterable[tuple[str, Iterable[list[str]]]]) -> str:
    parts: list[str] = []
    for title, rows in sheets:
        blocks = [list(block) for filled, block in itertools.groupby(rows, key=_is_filled) if filled]
        if blocks:
            parts += [f"## {title}", *map(markdown_tables, blocks)]
    return "\n\n".join(parts)


def _is_filled(row: list[str]) -> bool:
    return any(map(str.strip, row))
