"""PowerPoint presentations as Markdown, through markitdown."""

from __future__ import annotations

import re

from lorify.contexts.formats.source import FileContent
from lorify.contexts.formats.web import convert

_SLIDE = re.compile(r"<!-- Slide number: (\d+) -->")
_PICTURE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")


def read_pptx(source: FileContent) -> str:
    """Read a presentation: the texts, tables, charts and notes of each slide."""
    text = convert(source, "PptxConverter", ".pptx")
    return _PICTURE.sub(lambda picture: picture.group(1), _SLIDE.sub(r"Slide \1", text))
