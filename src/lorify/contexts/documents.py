"""Reading documents: text files directly, other formats (pdf, docx, html, ...) through markitdown."""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

from lorify.contexts.line_wraps import join_wrapped_lines
from lorify.errors import ContextError, ContextTooLargeError

MAX_BYTES = 200 * 1024 * 1024
TEXT_SUFFIXES = {
    "",
    ".txt",
    ".md",
    ".markdown",
    ".rst",
    ".text",
    ".log",
    ".tex",
    ".py",
    ".toml",
    ".yaml",
    ".yml",
    ".org",
}
_OLE_MAGIC = b"\xd0\xcf\x11\xe0"  # old Office files, and new ones with a password


@dataclass(frozen=True)
class Document:
    """A document as text.

    Attributes:
        name: file name or title.
        text: its text, without runs of blank lines or line breaks inside sentences.
        digest: SHA-256 of the text.
    """

    name: str
    text: str
    digest: str


def document_from_text(text: str, name: str = "text") -> Document:
    """Make a document from a text in memory.

    Raises:
        ContextError: if the text is empty.
    """
    clean = _tidy(text)
    if not clean:
        raise ContextError(f"document {name} is empty; give one with text")
    return Document(name, clean, hashlib.sha256(clean.encode()).hexdigest())


def read_document(path: Path | str, *, max_bytes: int = MAX_BYTES) -> Document:
    """Read a document.

    Args:
        path: a file, or `-` for standard input.
        max_bytes: maximum size of the file, in bytes.

    Raises:
        ContextError: if it is missing, empty, too large, encrypted, damaged or of an unsupported format.
    """
    if str(path) == "-":
        data = sys.stdin.buffer.read(max_bytes + 1)
        return document_from_bytes(data, "standard input", "", max_bytes)
    path = Path(path)
    if not path.exists():
        raise ContextError(f"document {path} does not exist; check the path")
    if path.is_dir():
        raise ContextError(f"document {path} is a folder; give files, such as {path}/*.md")
    try:
        if path.stat().st_size > max_bytes:
            raise ContextTooLargeError(
                f"document {path} has {path.stat().st_size:,} bytes, at most {max_bytes:,} are read; split it"
            )
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)  # pipes and devices do not report their size
    except OSError as error:
        raise ContextError(f"document {path} cannot be read ({error.strerror}); check its permissions") from error
    # File names may be in a legacy encoding, but an adapter records them as text.
    name = os.fsencode(path.name).decode(errors="replace")
    return document_from_bytes(data, name, path.suffix.lower(), max_bytes)


def document_from_bytes(
    data: bytes, name: str, suffix: str, max_bytes: int, *, max_pages: int | None = None
) -> Document:
    """Make a document from the content of a file.

    Args:
        data: the content.
        name: name of the document.
        suffix: suffix of the file name in lower case, such as `.pdf`; it decides the format if the content does not.
        max_bytes: maximum size of the content, in bytes.
        max_pages: maximum number of pages of a PDF, checked before its text is extracted; None for no limit.

    Raises:
        ContextError: if it is empty, too large, encrypted, damaged or of an unsupported format.
    """
    if len(data) > max_bytes:
        raise ContextTooLargeError(f"document {name} has more than {max_bytes:,} bytes; split it")
    if not data.strip():
        raise ContextError(f"document {name} is empty; give one with text")
    if data.startswith(_OLE_MAGIC):
        raise ContextError(
            f"document {name} is encrypted or in an old Office format; save it without a password as .docx or .pdf"
        )
    # The first bytes of a file are more reliable than its name.
    if data.startswith(b"%PDF"):
        suffix = ".pdf"
    elif data.startswith(b"PK\x03\x04"):
        suffix = ".zip" if suffix in TEXT_SUFFIXES else suffix
        _refuse_enormous_archive(data, name, max_bytes)
    is_plain = suffix in TEXT_SUFFIXES
    text = _decode(data, name) if is_plain else _convert(data, name, suffix, max_pages)
    try:
        return document_from_text(text, name)
    except ContextError:
        if data.startswith(b"%PDF"):
            raise ContextError(
                f"document {name} is a PDF without a text layer (a scan); run it through OCR first"
            ) from None
        raise


def _decode(data: bytes, name: str) -> str:
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    if b"\0" in data:
        raise ContextError(f"document {name} is binary, not text; give txt, md, html, pdf, docx or the like")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        best = from_bytes(data).best()
        if best is None:
            raise ContextError(f"document {name} is in no known text encoding; save it as UTF-8") from None
        return str(best)


def _convert(data: bytes, name: str, suffix: str, max_pages: int | None) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # optional audio dependencies of markitdown warn on import
        from markitdown import MarkItDown, MarkItDownException, StreamInfo

        if data.startswith(b"%PDF"):
            _check_pdf(data, name, max_pages)
        try:
            info = StreamInfo(extension=suffix or None, filename=name)
            result = MarkItDown(enable_plugins=False).convert_stream(io.BytesIO(data), stream_info=info)
        except MarkItDownException as error:
            if "UnsupportedFormat" in type(error).__name__:
                raise ContextError(
                    f"document {name} is of no readable kind; give txt, md, html, pdf, docx, pptx, xlsx or the like"
                ) from error
            raise ContextError(f"document {name} is damaged and cannot be read; save it again") from error
        except Exception as error:  # parsers raise all kinds of exceptions on damaged files
            raise ContextError(
                f"document {name} is damaged and cannot be read ({type(error).__name__}); save it again"
            ) from error
    if "\0" in result.text_content:
        raise ContextError(f"document {name} is binary, not text; give txt, md, html, pdf, docx or the like")
    return result.text_content


def _refuse_enormous_archive(data: bytes, name: str, max_bytes: int) -> None:
    """Refuse a zip, docx or similar archive that is too large when unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            num_bytes = sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile as error:
        raise ContextError(f"document {name} is damaged and cannot be read; save it again") from error
    if num_bytes > max_bytes:
        raise ContextTooLargeError(
            f"document {name} has {num_bytes:,} bytes when unpacked, at most {max_bytes:,} are read; split it"
        )


def _check_pdf(data: bytes, name: str, max_pages: int | None) -> None:
    """Refuse a PDF that is encrypted, damaged or has too many pages."""
    from pdfminer.pdfdocument import PDFDocument, PDFEncryptionError, PDFPasswordIncorrect
    from pdfminer.pdfpage import PDFPage
    from pdfminer.pdfparser import PDFParser

    try:
        pages = PDFPage.create_pages(PDFDocument(PDFParser(io.BytesIO(data))))
        too_many = max_pages is not None and any(count > max_pages for count, _ in enumerate(pages, start=1))
    except (PDFPasswordIncorrect, PDFEncryptionError) as error:
        raise ContextError(f"document {name} is encrypted; remove its password first") from error
    except Exception as error:  # parsers raise all kinds of exceptions on damaged files
        raise ContextError(f"document {name} is a damaged PDF ({type(error).__name__}); save it again") from error
    if too_many:
        raise ContextTooLargeError(f"document {name} has more than {max_pages:,} pages; split it")


def _tidy(text: str) -> str:
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    return join_wrapped_lines(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip())
