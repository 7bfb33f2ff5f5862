"""Word documents: the text through markitdown, then headers, footers and comments, which markitdown omits.

Tracked changes are read as accepted.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lorify.contexts.formats.source import FileContent
from lorify.contexts.formats.web import html_to_markdown, quiet

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_PART = re.compile(r"word/(header|footer|comments)\d*\.xml$")
_NO_HEADING = re.compile(r"^\|(?: *\|)+\n(\|(?: --- \|)+)\n(\|.*\|)$", re.M)
_REFERENCE = re.compile(r"\[(\[\w+\])\]\(#[\w-]*\)")
_BACK_REFERENCE = re.compile(r" ?\[↑\]\(#[\w-]*\)")
_REMOVED = {f"{_W}del", f"{_W}moveFrom", f"{_W}instrText"}
_SPACES = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n"}


def read_docx(source: FileContent) -> str:
    """Read a Word document as Markdown: headers, text, footers, comments."""
    parts = _parts_beside_text(source.data)
    body = _tidy(html_to_markdown(_to_html(source.data)))
    comments = [f"Comment by {comment}" for comment in parts["comments"]]
    return "\n\n".join([*parts["header"], body, *parts["footer"], *comments])


def _to_html(data: bytes) -> str:
    """Convert the text of a Word document to HTML, with equations in LaTeX."""
    with quiet():
        import mammoth
        from markitdown.converter_utils.docx.pre_process import pre_process_docx

        return mammoth.convert_to_html(pre_process_docx(io.BytesIO(data))).value


def _tidy(markdown: str) -> str:
    """Use the first row of a table as its heading, and reduce references to footnotes and comments to their numbers."""
    with_headings = _NO_HEADING.sub(r"\2\n\1", markdown)
    return _REFERENCE.sub(r"\1", _BACK_REFERENCE.sub("", with_headings))


def _parts_beside_text(data: bytes) -> dict[str, list[str]]:
    """Return the distinct texts of headers, footers and comments."""
    from defusedxml.ElementTree import fromstring

    found: dict[str, dict[str, None]] = {"header": {}, "footer": {}, "comments": {}}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in sorted(archive.namelist()):
            match = _PART.match(name)
            if match is None:
                continue
            root = fromstring(archive.read(name))
            texts = _comments(root) if match.group(1) == "comments" else [_text(root)]
            found[match.group(1)].update(dict.fromkeys(filter(None, texts)))
    return {kind: list(texts) for kind, texts in found.items()}


def _comments(root: Element) -> Iterator[str]:
    for comment in root.iter(f"{_W}comment"):
        yield f"{comment.get(f'{_W}author') or 'a reader'}: {_text(comment)}"


def _text(root: Element) -> str:
    """Return the text of a part, one line per paragraph."""
    paragraphs = ("".join(_runs(paragraph)).strip() for paragraph in root.iter(f"{_W}p"))
    return "\n".join(filter(None, paragraphs))


def _runs(element: Element) -> Iterator[str]:
    for child in element:
        if child.tag == f"{_W}t":
            yield child.text or ""
        elif child.tag in _SPACES:
            yield _SPACES[child.tag]
        elif child.tag not in _REMOVED and child.tag != f"{_W}p":  # paragraphs of a text box are read separately
            yield from _runs(child)
