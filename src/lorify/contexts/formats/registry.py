"""Registry of the document formats that lorify reads.

To add a format, write a module with a function like `read_html`, and add an entry to `FORMATS`. If it is a text format
that can be recognized without its suffix, extend `_tell_text` as well.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import cast

from lorify.contexts.formats.containers import OLE_MAGIC, ZIP_MAGIC, archive_kind, check_archive, ole_kind
from lorify.contexts.formats.decoding import decode
from lorify.contexts.formats.mail import looks_like_mail
from lorify.contexts.formats.markup import looks_like_notebook
from lorify.contexts.formats.source import BINARY_ADVICE, FileContent
from lorify.contexts.formats.tables import looks_like_table
from lorify.errors import ContextError

_READERS = "lorify.contexts.formats"
_SAMPLE_BYTES = 1 << 16
_PDF_HEADER_BYTES = 1024
_PACKAGES = {"pptx": "python-pptx", "docx": "python-docx", "bs4": "beautifulsoup4"}
"""PyPI packages whose name differs from their module's."""
_LIBRARIES = (
    "charset_normalizer",
    "defusedxml.ElementTree",
    "olefile",
    "openpyxl",
    "pptx",
    "striprtf.striprtf",
    "xlrd",
)
_PAGE = re.compile(rb"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html[\s>])", re.I | re.S)
_FEED = re.compile(
    rb"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:rss[\s>]|rdf:RDF[\s>]|feed[^>]*www\.w3\.org/2005/Atom)", re.I | re.S
)


@dataclass(frozen=True)
class DocumentFormat:
    """A document format.

    Attributes:
        name: its name.
        suffixes: suffixes of its files; used if the content does not show the format.
        reader: a function from a `FileContent` to its text, as `module:function` in this package. It is imported on
            first use, so that reading a plain text loads no parser.
        is_binary: whether its files are not text.
    """

    name: str
    suffixes: tuple[str, ...]
    reader: str
    is_binary: bool = False

    def read(self, source: FileContent) -> str:
        """Read a file of this format as text."""
        module, _, function = self.reader.partition(":")
        return cast(Callable[[FileContent], str], getattr(import_module(f"{_READERS}.{module}"), function))(source)


TEXT = DocumentFormat("text", ("", ".txt", ".text", ".log"), "markup:read_text")
FORMATS: dict[str, DocumentFormat] = {
    "text": TEXT,
    # Suffixes of texts whose content is never treated as a table or a web page.
    "source": DocumentFormat(
        "source text",
        (
            ".md",
            ".markdown",
            ".rst",
            ".tex",
            ".py",
            ".js",
            ".ts",
            ".c",
            ".h",
            ".java",
            ".toml",
            ".yaml",
            ".yml",
            ".org",
        ),
        "markup:read_text",
    ),
    "pdf": DocumentFormat("PDF", (".pdf",), "pdf.reader:read_pdf", is_binary=True),
    "docx": DocumentFormat("Word document", (".docx", ".docm", ".dotx"), "word:read_docx", is_binary=True),
    "xlsx": DocumentFormat("Excel workbook", (".xlsx", ".xlsm"), "spreadsheets:read_xlsx", is_binary=True),
    "xls": DocumentFormat("Excel 97 workbook", (".xls",), "spreadsheets:read_xls", is_binary=True),
    "pptx": DocumentFormat("presentation", (".pptx", ".pptm", ".ppsx"), "slides:read_pptx", is_binary=True),
    "epub": DocumentFormat("EPUB book", (".epub",), "web:read_epub", is_binary=True),
    "odf": DocumentFormat("OpenDocument", (".odt", ".ods", ".odp"), "open_document:read_open_document", is_binary=True),
    "msg": DocumentFormat("Outlook e-mail", (".msg",), "mail:read_msg", is_binary=True),
    "zip": DocumentFormat("zip archive", (".zip",), "archives:read_zip", is_binary=True),
    "rtf": DocumentFormat("rich text", (".rtf",), "markup:read_rtf"),
    "html": DocumentFormat("HTML", (".html", ".htm", ".xhtml"), "web:read_html"),
    "feed": DocumentFormat("feed", (".rss", ".atom"), "web:read_feed"),
    "eml": DocumentFormat("e-mail", (".eml", ".mht", ".mhtml"), "mail:read_eml"),
    "separated": DocumentFormat("separated values", (".csv", ".tsv", ".tab", ".psv"), "tables:read_separated"),
    "notebook": DocumentFormat("Jupyter notebook", (".ipynb",), "markup:read_notebook"),
    "json": DocumentFormat("JSON", (".json", ".jsonl", ".geojson"), "markup:read_json"),
}
_BY_SUFFIX = {suffix: entry for entry in FORMATS.values() for suffix in entry.suffixes}


def find_format(source: FileContent) -> DocumentFormat:
    """Determine the format of a file by its content, or else by its suffix.

    Raises:
        ContextError: if it is encrypted, a damaged archive, or too large when unpacked.
    """
    start = source.data[:_SAMPLE_BYTES]
    if b"%PDF-" in start[:_PDF_HEADER_BYTES]:
        return FORMATS["pdf"]
    if start.startswith(ZIP_MAGIC):
        check_archive(source)
        return FORMATS[archive_kind(source)]
    if start.startswith(OLE_MAGIC):
        return FORMATS[ole_kind(source)]
    if start.lstrip().startswith(b"{\\rtf"):
        return FORMATS["rtf"]
    named = _BY_SUFFIX.get(source.suffix, TEXT)
    if named is not TEXT and not named.is_binary:
        return named
    told = _tell_text(start)
    return named if told is TEXT and named.is_binary and b"\0" in start else told


def read_source(source: FileContent) -> str:
    """Read a file of any known format as text.

    Raises:
        ContextError: if it is encrypted, damaged, of an unsupported format, or its format needs a package that is not
            installed.
        ContextTooLargeError: if it is too large when unpacked or has too many pages.
    """
    found = find_format(source)
    try:
        text = found.read(source)
    except (ContextError, MemoryError):
        raise
    except Exception as error:  # parsers raise all kinds of exceptions on damaged files
        missing = _missing_package(error)
        if missing is not None:
            raise ContextError(
                f"document {source.name} is of the format {found.name}, which needs the package {missing}; "
                f"run `pip install {missing}`"
            ) from error
        raise source.damaged(type(error).__name__) from error
    if "\0" in text:
        raise ContextError(f"document {source.name} is binary, not text; {BINARY_ADVICE}")
    return text


def plain_text(source: FileContent) -> str | None:
    """Return the text of a plain UTF-8 file, which needs no parser; None for anything else."""
    data = source.data
    if b"\0" in data or data.startswith((ZIP_MAGIC, OLE_MAGIC, b"\xef\xbb\xbf")) or not data.strip():
        return None
    if find_format(source).reader != TEXT.reader:
        return None
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return decode(data, source.name)  # has to be decoded with its declared encoding


def load_readers() -> None:
    """Import the modules and libraries of all formats, for a process that cannot import them later."""
    for module in [*(f"{_READERS}.{entry.reader.partition(':')[0]}" for entry in FORMATS.values()), *_LIBRARIES]:
        with contextlib.suppress(ImportError):  # reported when a document needs it
            import_module(module)


def _tell_text(start: bytes) -> DocumentFormat:
    """Determine the format of a text by its beginning."""
    content = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _PAGE.match(content):
        return FORMATS["html"]
    if _FEED.match(content):
        return FORMATS["feed"]
    if looks_like_mail(content):
        return FORMATS["eml"]
    text = content.decode("latin-1")
    if looks_like_notebook(text):
        return FORMATS["notebook"]
    if len(start) == _SAMPLE_BYTES:
        text = text.rpartition("\n")[0]
    return FORMATS["separated"] if looks_like_table(text) else TEXT


def _missing_package(error: BaseException | None) -> str | None:
    """Return the package whose failed import caused an error."""
    while error is not None:
        if isinstance(error, ImportError):
            return _PACKAGES.get(error.name or "", error.name)
        error = error.__cause__ or error.__context__
    return None
