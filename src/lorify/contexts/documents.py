"""Read documents of all formats in `formats/registry.py` as text."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lorify.contexts.formats.registry import read_source
from lorify.contexts.formats.source import FileContent
from lorify.contexts.texts.line_wraps import join_wrapped_lines
from lorify.errors import ContextError, ContextTooLargeError

MAX_BYTES = 200 * 1024 * 1024
MAX_SHOWN = 200
"""Number of characters of a path that an error shows."""


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


def check_different_names(names: Sequence[str]) -> None:
    """Refuse documents with the same name, since an adapter could not tell them apart.

    Raises:
        ContextError: if two documents have the same name.
    """
    repeated = [name for name, uses in Counter(names).items() if uses > 1]
    if repeated:
        raise ContextError(f"two documents are named {repeated[0]!r}; give each its own name")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a text was given, which is longer than a name may be
        return False


def _what_to_give(given: str) -> str:
    """Say what to give instead of something that is not a file, such as a URL or a text."""
    if re.match(r"https?://", given):
        return "download the page first, as documents are files"
    if re.search(r"\s", given) and not re.fullmatch(r"\.\w+", Path(given).suffix):
        return "documents are files; give a text on standard input (-), in Python with document_from_text"
    return "check the path"


def read_document(path: Path | str, *, max_bytes: int = MAX_BYTES) -> Document:
    """Read a document; scanned PDF pages are read with tesseract if it is installed, which the text then mentions.

    Args:
        path: a file, or `-` for standard input.
        max_bytes: maximum size of the file, in bytes.

    Raises:
        ContextError: if it is missing, empty, too large, encrypted, damaged or of an unsupported format.
    """
    if str(path) == "-":
        data = sys.stdin.buffer.read(max_bytes + 1)
        return document_from_bytes(data, "standard input", "", max_bytes, ocr=True)
    given, path = str(path), Path(path)
    if not _exists(path):
        line = " ".join(given.split())
        shown = line if len(line) <= MAX_SHOWN else f"{line[:MAX_SHOWN]} ..."
        raise ContextError(f"document {shown} does not exist; {_what_to_give(given)}")
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
    # File names may have a legacy encoding, but an adapter records them as text.
    name = os.fsencode(path.name).decode(errors="replace")
    return document_from_bytes(data, name, path.suffix.lower(), max_bytes, ocr=True)


def document_from_bytes(
    data: bytes, name: str, suffix: str, max_bytes: int, *, max_pages: int | None = None, ocr: bool = False
) -> Document:
    """Make a document from the content of a file.

    Args:
        data: the content.
        name: name of the document.
        suffix: suffix of the file name in lower case, such as `.pdf`; it decides the format if the content is unclear.
        max_bytes: maximum size of the content, in bytes.
        max_pages: maximum number of pages of a PDF, checked before its text is extracted; None for no limit.
        ocr: whether scanned pages may be read with the external program tesseract, if it is installed.

    Raises:
        ContextError: if it is empty, too large, encrypted, damaged or of an unsupported format.
    """
    if len(data) > max_bytes:
        raise ContextTooLargeError(f"document {name} has more than {max_bytes:,} bytes; split it")
    if not data.strip():
        raise ContextError(f"document {name} is empty; give one with text")
    return document_from_text(read_source(FileContent(data, name, suffix, max_bytes, max_pages, ocr)), name)


def _tidy(text: str) -> str:
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    return join_wrapped_lines(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip())
