"""Join the lines of a column into paragraphs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from statistics import median

from lorify.contexts.formats.pdf.boxes import Box

_FULL = 0.82
"""A line is full if it and the next word would fill more than this fraction of its column."""
_MIN_CHARS = 38
"""If the longest line of a column is shorter than this, the column is a list or a receipt, not prose."""
_RULE = re.compile(r"[-=_*~.\s]+$")
_OWN_START = re.compile(r"\s*(?:[-*+•·–▪■●◦‣]\s|\(?\d{1,3}[.)]\s|\(?[a-z][.)]\s)")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_BROKEN = re.compile(r"([^\W\d_]+)-$")


def block_text(lines: Sequence[Box], words: Callable[[], frozenset[str]]) -> str:
    """Join the lines of a column into paragraphs, separated by a blank line where the page leaves space between them.

    Args:
        lines: lines from top to bottom, or a table.
        words: returns the words of the document, which show whether a hyphen belongs to a word.
    """
    pitches = [below.top - above.top for above, below in itertools.pairwise(lines)]
    pitch = median(pitches) if pitches else 0.0
    continued = _continued_lines(lines)
    text = lines[0].text
    for above, below, is_continued in zip(lines, lines[1:], continued, strict=False):
        if below.top - above.top > max(1.3 * pitch, 1.5 * below.size) or not _same_size(above, below):
            text += "\n\n" + below.text
        elif is_continued:
            text = _continued(text, below.text, words)
        else:
            text += "\n" + below.text
    return text


def document_words(blocks: Iterable[Sequence[Box]]) -> frozenset[str]:
    """Return the words of blocks in lower case, including hyphenated ones, without the parts of divided words."""
    words: set[str] = set()
    for block in blocks:
        is_divided = False
        for line in block:
            found = _WORD.findall(_BROKEN.sub("", line.text))
            words.update(word.lower() for word in found[is_divided:])
            is_divided = bool(_BROKEN.search(line.text))
    return frozenset(words)


def _same_size(above: Box, below: Box) -> bool:
    return max(above.size, below.size) <= 1.15 * min(above.size, below.size)


def _continued_lines(lines: Sequence[Box]) -> list[bool]:
    """Return for each line but the last whether it continues in the next one; never true in lists of short lines."""
    left, right = min(line.left for line in lines), max(line.right for line in lines)
    continued = [_is_continued(above, below, left, right) for above, below in itertools.pairwise(lines)]
    is_prose = 2 * sum(continued) + 1 >= len(continued) and max(len(line.text) for line in lines) >= _MIN_CHARS
    return continued if is_prose else [False] * len(continued)


def _is_continued(above: Box, below: Box, left: float, right: float) -> bool:
    """Return whether a line continues in the next one: it is full, and the next does not start an item or paragraph."""
    if _RULE.match(below.text) or _RULE.match(above.text):
        return False
    if _OWN_START.match(below.text) or (below.left - left > 0.6 * below.size and below.left - above.left > 2):
        return bool(_BROKEN.search(above.text))
    first, _, rest = below.text.partition(" ")
    word = (below.right - below.left) * (len(first) + 1) / max(1, len(below.text))
    return above.right + word > left + _FULL * (right - left) and (bool(rest) or len(above.text) > 20)


def _continued(text: str, following: str, words: Callable[[], frozenset[str]]) -> str:
    """Append a line to a text; a hyphen at the end of the text is removed unless it belongs to the word."""
    head, tail = _BROKEN.search(text), _WORD.match(following)
    if head is None or tail is None or not tail.group()[0].islower():
        return f"{text}{'' if text.endswith('-') and tail else ' '}{following}"
    first, second = head.group(1).lower(), tail.group().lower()
    known = words()
    is_compound = f"{first}-{second}" in known or (first in known and second in known and first + second not in known)
    return (text if is_compound else text[:-1]) + following
