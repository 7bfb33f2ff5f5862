"""Split documents into sentences."""

from __future__ import annotations

import re

WRAPPED_CHARS = 60
"""A line of at least this length was probably wrapped, so the next line continues it."""

_MARKER = re.compile(r"^\s*(?:[*•#>-]+|\d+[.)])\s+")
_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\b(?:Mr|Dr|St)\.)(?<!\b(?:Mrs)\.)(?<!\b(?:Prof)\.)\s+(?=[\"“(]?[A-Z0-9])")


def split_sentences(text: str) -> list[str]:
    """Split a text into its sentences, headings and list items, in order."""
    sentences = (sentence.strip() for line in _unwrap(text) for sentence in _SENTENCE_END.split(line))
    return [sentence for sentence in sentences if sentence]


def _unwrap(text: str) -> list[str]:
    """Return paragraphs and list items as one line each, without list markers."""
    lines: list[str] = []
    continues = False
    for line in text.splitlines():
        content = _MARKER.sub("", line).strip()
        if continues and content and not _MARKER.match(line):
            lines[-1] += f" {content}"
        else:
            lines.append(content)
        continues = len(line) >= WRAPPED_CHARS
    return lines
