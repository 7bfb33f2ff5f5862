"""HTML pages, feeds and EPUB books as Markdown, through markitdown."""

from __future__ import annotations

import io
import warnings
from typing import Any

from lorify.contexts.formats.decoding import decode
from lorify.contexts.formats.source import FileContent


def read_html(source: FileContent) -> str:
    """Read an HTML page as Markdown."""
    return html_to_markdown(decode(source.data, source.name))


def html_to_markdown(html: str) -> str:
    """Convert HTML to Markdown, without scripts and styles."""
    markitdown = _markitdown()
    return markitdown.converters.HtmlConverter().convert_string(html).markdown


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
        suffix: suffix of the format, in place of that of the file name.
    """
    markitdown = _markitdown()
    info = markitdown.StreamInfo(extension=suffix, filename=source.name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries, about unusual files
        return getattr(markitdown.converters, converter)().convert(io.BytesIO(source.data), info).markdown


def _markitdown() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # optional audio dependencies of markitdown warn on import
        import markitdown
        import markitdown.converters

        return markitdown
