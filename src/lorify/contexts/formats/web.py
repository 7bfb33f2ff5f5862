"""HTML pages, feeds and EPUB books as Markdown, through markitdown."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import Any

from lorify.contexts.formats.decoding import decode
from lorify.contexts.formats.source import FileContent


def read_html(source: FileContent) -> str:
    """Read an HTML page as Markdown."""
    return html_to_markdown(decode(source.data, source.name))


def html_to_markdown(html: str) -> str:
    """Convert HTML to Markdown, without scripts and styles; tables inside cells become text."""
    markitdown = _markitdown()
    with quiet():
        return markitdown.converters.HtmlConverter().convert_string(_with_plain_cells(html)).markdown


def _with_plain_cells(html: str) -> str:
    """Write tables inside cells as text, and escape Markdown's cell separator."""
    if "<table" not in html.lower():
        return html
    from bs4 import BeautifulSoup

    page = BeautifulSoup(html, "html.parser")
    for table in reversed(page.find_all("table")):
        if table.find_parent(["td", "th"]) is not None:
            rows = (", ".join(_cell_texts(row)) for row in table.find_all("tr"))
            table.replace_with("; ".join(filter(None, rows)))
    for text in page.find_all(string=lambda text: text is not None and "|" in text):
        if text.find_parent(["td", "th"]) is not None:
            text.replace_with(text.replace("|", "\\|"))
    return str(page)


def _cell_texts(row: Any) -> list[str]:
    texts = (" ".join(cell.get_text(" ").split()) for cell in row.find_all(["td", "th"]))
    return [text for text in texts if text]


def read_feed(source: FileContent) -> str:
    """Read an RSS or Atom feed as Markdown."""
    return convert(source, "RssConverter", ".rss")


def read_epub(source: FileContent) -> str:
    """Read an EPUB book: its title, authors and other metadata, then its chapters in order."""
    return convert(source, "EpubConverter", ".epub")


def convert(source: FileContent, converter: str, suffix: str) -> str:
    """Convert a file with one of markitdown's converters.

    Args:
        source: the file.
        converter: name of the converter's class.
        suffix: suffix of the format, in place of the file name's.
    """
    markitdown = _markitdown()
    info = markitdown.StreamInfo(extension=suffix, filename=source.name)
    with quiet():
        return getattr(markitdown.converters, converter)().convert(io.BytesIO(source.data), info).markdown


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings of libraries about unusual files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _markitdown() -> Any:
    with quiet():  # optional audio dependencies of markitdown warn on import
        import markitdown
        import markitdown.converters

        return markitdown
