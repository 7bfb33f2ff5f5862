"""Read a PDF as text, page by page; pages without usable text are named, not guessed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache

import pypdfium2.raw as pdfium
from pypdfium2 import PdfDocument, PdfiumError, PdfPage

from lorify.contexts.formats.pdf.boxes import Box
from lorify.contexts.formats.pdf.characters import line_pieces, read_words
from lorify.contexts.formats.pdf.columns import reading_order
from lorify.contexts.formats.pdf.forms import form_lines
from lorify.contexts.formats.pdf.ocr import ENGINE, find_engine, recognize_words
from lorify.contexts.formats.pdf.paragraphs import block_text, document_words
from lorify.contexts.formats.pdf.rulings import find_grids
from lorify.contexts.formats.pdf.tables import labelled_grid, ruled_table
from lorify.contexts.formats.source import FileContent
from lorify.errors import ContextError, ContextTooLargeError

_MAX_UNMAPPED = 0.3
"""A page is unreadable if a larger fraction of its characters has no known letter."""
_PICTURE_SHARE = 0.3
"""A page without text is a scan if pictures cover more than this fraction of it."""
_NO_TEXT = "is a picture without text"
_DAMAGED = "is damaged"
_MIN_REPEATS = 3
_NUMBER = re.compile(r"\d+")


class _UnreadablePage(Exception):
    """A page without usable text; the argument says why."""


def read_pdf(source: FileContent) -> str:
    """Read a PDF: paragraphs in reading order, tables as Markdown, values of form fields.

    Headers and footers that repeat on many pages are kept once. Pages without usable text are read by OCR if the source
    allows it and tesseract is installed; the text then mentions it.

    Raises:
        ContextError: if it is encrypted or damaged, is a scan, or has fonts with unknown letters.
        ContextTooLargeError: if it has too many pages.
    """
    document = _open(source)
    try:
        if source.max_pages is not None and len(document) > source.max_pages:
            raise ContextTooLargeError(f"document {source.name} has more than {source.max_pages:,} pages; split it")
        if document.get_formtype() != pdfium.FORMTYPE_NONE:
            document.init_forms()
        pages, unreadable = _read_pages(document, source)
        if not any(pages) and not unreadable:
            unreadable = dict.fromkeys(range(len(pages)), _NO_TEXT)
        recognized = _recognize(document, unreadable) if source.ocr else {}
    finally:
        document.close()
    for number, blocks in recognized.items():
        pages[number] = blocks
        del unreadable[number]
    texts = _write(pages)
    for number in recognized:
        texts[number] = f"[page {number + 1} was read by OCR]\n\n{texts[number]}"
    if unreadable and len(unreadable) >= sum(bool(text.strip()) for text in texts):
        raise _unreadable(source, unreadable, len(texts))
    for number, reason in unreadable.items():
        texts[number] = f"[page {number + 1} {reason}]"
    return "\n\n".join(filter(None, texts))


def _open(source: FileContent) -> PdfDocument:
    try:
        document = PdfDocument(source.data)
        num_pages = len(document)
    except PdfiumError as error:
        if error.err_code in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY):
            raise ContextError(f"document {source.name} is encrypted; remove its password first") from error
        raise ContextError(f"document {source.name} is a damaged PDF ({error}); save it again") from error
    if num_pages == 0:
        raise ContextError(f"document {source.name} is a damaged PDF (it has no pages); save it again")
    return document


def _read_pages(document: PdfDocument, source: FileContent) -> tuple[list[list[list[Box]]], dict[int, str]]:
    """Return the blocks of each page, and the reasons why pages are unreadable."""
    pages: list[list[list[Box]]] = []
    unreadable: dict[int, str] = {}
    for number in range(len(document)):
        blocks: list[list[Box]] = []
        try:
            page = document[number]
            blocks = _read_page(document, page)
            page.close()
        except _UnreadablePage as error:
            unreadable[number] = str(error)
        except PdfiumError:
            unreadable[number] = _DAMAGED
        except OverflowError as error:
            raise ContextTooLargeError(f"document {source.name} cannot be read: {error}; split it") from error
        pages.append(blocks)
    return pages, unreadable


def _recognize(document: PdfDocument, unreadable: dict[int, str]) -> dict[int, list[list[Box]]]:
    """Return the blocks of the unreadable pages where OCR finds words."""
    engine = find_engine()
    recognized: dict[int, list[list[Box]]] = {}
    for number in [number for number, reason in unreadable.items() if reason != _DAMAGED] if engine else []:
        page = document[number]
        words = recognize_words(page, str(engine))
        page.close()
        if words:
            recognized[number] = reading_order(line_pieces(words))
    return recognized


def _read_page(document: PdfDocument, page: PdfPage) -> list[list[Box]]:
    text = read_words(page)
    if text.num_unmapped > _MAX_UNMAPPED * max(1, text.num_characters):
        raise _UnreadablePage("has fonts that do not say which letters they show")
    words = text.words
    tables = []
    for lines in find_grids(page, text.angle):
        grid = labelled_grid(lines, words)
        inside = [word for word in words if grid.contains(word)]
        table = ruled_table(grid, inside) if inside else None
        if table is not None:
            tables.append(table)
            words = [word for word in words if not grid.contains(word)]
    blocks = reading_order([*line_pieces(words), *tables]) if words or tables else []
    shown = " ".join(line.text for block in blocks for line in block)
    added = form_lines(document, page, shown)
    if text.slanted:
        added.append(text.slanted)
    if not blocks and not added and _is_picture(page):
        raise _UnreadablePage(_NO_TEXT)
    return blocks + [[Box(line, 0, 0, 0, 0, 0, is_block=True)] for line in added]


def _is_picture(page: PdfPage) -> bool:
    """Return whether pictures cover much of a page."""
    width, height = page.get_size()
    covered = 0.0
    for each in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=4):
        left, bottom, right, top = each.get_bounds()
        covered += (right - left) * (top - bottom)
    return covered > _PICTURE_SHARE * width * height


def _write(pages: Sequence[list[list[Box]]]) -> list[str]:
    """Return the text of each page."""
    kept = _without_repeats(pages)
    words = cache(lambda: document_words(block for page in kept for block in page))
    return ["\n\n".join(block_text(block, words) for block in page if block) for page in kept]


def _without_repeats(pages: Sequence[list[list[Box]]]) -> list[list[list[Box]]]:
    """Remove headers, footers and page numbers after their first occurrence."""
    edges = [_edge_lines(page) for page in pages]
    counts = Counter(key for lines in edges for key in {_without_numbers(line) for line in lines})
    seen: set[str] = set()
    kept = []
    for page, lines in zip(pages, edges, strict=True):
        repeated = [line for line in lines if counts[_without_numbers(line)] >= _MIN_REPEATS]
        removed = {id(line) for line in repeated if _without_numbers(line) in seen or line.text.strip().isdigit()}
        seen |= {_without_numbers(line) for line in repeated}
        kept.append([[line for line in block if id(line) not in removed] for block in page])
    return kept


def _edge_lines(page: list[list[Box]]) -> list[Box]:
    """Return the two top and two bottom lines of a page, without tables."""
    lines = sorted((line for block in page for line in block if not line.is_block), key=lambda line: line.top)
    return lines[:2] + lines[2:][-2:]


def _without_numbers(line: Box) -> str:
    return _NUMBER.sub("0", line.text.strip())


def _unreadable(source: FileContent, unreadable: dict[int, str], num_pages: int) -> ContextError:
    reasons = set(unreadable.values())
    advice = f"install {ENGINE}, or run it" if source.ocr and find_engine() is None else "run it"
    if reasons == {_NO_TEXT}:
        return ContextError(
            f"document {source.name} is a PDF without a text layer (a scan); {advice} through OCR first"
        )
    pages = ", ".join(str(number + 1) for number in sorted(unreadable)[:10])
    return ContextError(
        f"document {source.name} cannot be read: page {pages} of {num_pages} {' or '.join(sorted(reasons))}; save it "
        f"with embedded character maps, or {advice} through OCR first"
    )
