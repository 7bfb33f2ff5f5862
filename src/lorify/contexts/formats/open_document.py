"""OpenDocument files (odt, ods, odp) as Markdown: headings, paragraphs, lists and tables in order."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lorify.contexts.formats.source import FileContent
from lorify.contexts.formats.tables import markdown_tables

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_COMMENT = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}annotation"
_CREATOR = "{http://purl.org/dc/elements/1.1/}creator"
_MAX_REPEATS = 100
"""Rows and cells that repeat more often than this are the empty rest of a sheet."""
_SKIPPED = {f"{_TEXT}tracked-changes", f"{_TEXT}sequence-decls"}
_SPACES = {f"{_TEXT}s": " ", f"{_TEXT}tab": "\t", f"{_TEXT}line-break": "\n"}


def read_open_document(source: FileContent) -> str:
    """Read an OpenDocument text, spreadsheet or presentation, with its headers and footers."""
    from defusedxml.ElementTree import fromstring

    texts = []
    with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
        styles = archive.read("styles.xml") if "styles.xml" in archive.namelist() else b"<none/>"
        for content in (archive.read("content.xml"), styles):
            texts.append("\n\n".join(filter(None, _blocks(fromstring(content)))))
    return "\n\n".join(filter(None, texts))


def _blocks(element: Element) -> Iterator[str]:
    for child in element:
        if child.tag in _SKIPPED:
            continue
        if child.tag == f"{_TEXT}h":
            level = min(6, int(child.get(f"{_TEXT}outline-level", "1")))
            yield f"{'#' * level} {_text(child)}"
        elif child.tag == f"{_TEXT}p":
            yield _text(child)
            yield from _notes(child)
        elif child.tag == f"{_TEXT}list-item":
            yield "- " + "\n".join(filter(None, _blocks(child)))
        elif child.tag == f"{_TEXT}list":
            yield "\n".join(filter(None, _blocks(child)))
        elif child.tag == f"{_TABLE}table":
            yield markdown_tables(list(_rows(child)))
        else:
            yield from _blocks(child)


def _rows(table: Element) -> Iterator[list[str]]:
    for row in table.iter(f"{_TABLE}table-row"):
        cells: list[str] = []
        for cell in row:
            if not cell.tag.endswith("table-cell"):
                continue
            repeats = int(cell.get(f"{_TABLE}number-columns-repeated", "1"))
            text = " ".join(_text(paragraph) for paragraph in cell.iter(f"{_TEXT}p"))
            cells += [text] * (min(repeats, _MAX_REPEATS) if text else min(repeats, 1))
        yield from [cells] * min(int(row.get(f"{_TABLE}number-rows-repeated", "1")), _MAX_REPEATS if any(cells) else 1)


def _notes(paragraph: Element) -> Iterator[str]:
    """Yield the footnotes and comments of a paragraph."""
    for note in paragraph.iter(f"{_TEXT}note"):
        bodies = " ".join(filter(None, map(_text, note.iter(f"{_TEXT}p"))))
        yield f"{note.findtext(f'{_TEXT}note-citation') or '*'}. {bodies}"
    for comment in paragraph.iter(_COMMENT):
        bodies = " ".join(filter(None, map(_text, comment.iter(f"{_TEXT}p"))))
        yield f"Comment by {comment.findtext(_CREATOR) or 'a reader'}: {bodies}"


def _text(element: Element) -> str:
    parts = [element.text or ""]
    for child in element:
        if child.tag == f"{_TEXT}note":
            parts.append(f"[{child.findtext(f'{_TEXT}note-citation') or '*'}]")
        elif child.tag == _COMMENT:
            pass
        elif child.tag in _SPACES:
            parts.append(_SPACES[child.tag] * int(child.get(f"{_TEXT}c", "1")))
        else:
            parts.append(_text(child))
        parts.append(child.tail or "")
    return "".join(parts)
