"""Decode text files: by byte order marks, declared encodings, UTF-8, or a legacy encoding guessed from the letters."""

from __future__ import annotations

import codecs
import re

from lorify.contexts.formats.source import BINARY_ADVICE
from lorify.errors import ContextError

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_DECLARED = re.compile(
    rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.-]+)|<meta[^>]{0,200}?charset\s*=\s*["']?([\w.-]+)"""
)
_DECLARATION_BYTES = 2048
_CONFIDENT = 0.1
"""Coherence score of charset-normalizer above which a text's letters fit a language."""


def decode(data: bytes, name: str) -> str:
    """Decode a text.

    Args:
        data: the content of a file.
        name: name of the document, for errors.

    Raises:
        ContextError: if it is binary, or its encoding is unknown.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    if b"\0" in data:
        text = _unmarked_utf16(data)
        if text is None:
            raise ContextError(f"document {name} is binary, not text; {BINARY_ADVICE}")
        return text
    for encoding in (_declared_encoding(data), "utf-8"):
        try:
            if encoding is not None:
                return data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return _decode_legacy(data, name)


def _unmarked_utf16(data: bytes) -> str | None:
    """Decode UTF-16 without a byte order mark if every second byte at the start is zero, as in Western text."""
    start = data[:1000]
    for encoding, zeros in (("utf-16-le", start[1::2]), ("utf-16-be", start[::2])):
        if len(data) % 2 == 0 and zeros.count(0) > 0.9 * len(zeros) and start.count(0) <= len(zeros):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                return None
    return None


def _declared_encoding(data: bytes) -> str | None:
    """Return the encoding that XML or HTML declares, if Python knows it."""
    match = _DECLARED.search(data[:_DECLARATION_BYTES])
    if match is None:
        return None
    encoding = (match.group(1) or match.group(2)).decode("ascii", errors="replace").lower()
    if encoding.startswith("utf-16"):  # if the declaration is readable as ASCII, the text is not UTF-16
        return None
    try:
        codecs.lookup(encoding)
    except LookupError:
        return None
    # Browsers read these as Windows-1252, which has the same letters and more.
    return "cp1252" if encoding in ("iso-8859-1", "latin1", "latin-1", "us-ascii", "ascii") else encoding


def _decode_legacy(data: bytes, name: str) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(data).best()
    if (best is None or best.coherence < _CONFIDENT) and _looks_western(data):
        return data.decode("cp1252")
    if best is None:
        raise ContextError(f"document {name} is in no known text encoding; save it as UTF-8") from None
    return str(best)


def _looks_western(data: bytes) -> bool:
    """Return whether a text is probably Windows-1252: few words are accented, with one or two such letters each.

    Letter statistics fail on short texts: without this check, every Western file of a few lines would be taken for
    another encoding.
    """
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return False
    if any(character < " " and character not in "\t\n\r\f" for character in text):
        return False
    if re.search(r"[^\W\d_][^\x00-\x7f\w’'‘–—-][^\W\d_]", text):  # a sign such as ³ inside a word
        return False
    return not re.search(r"[^\x00-\x7f]{3}", text) and any("a" <= letter <= "z" for letter in text.lower())
