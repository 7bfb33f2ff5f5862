"""Join the lines of hard-wrapped paragraphs.

Text files and PDFs contain line breaks in the middle of sentences and names, where a line was full. Replacing them with
spaces matters because a word has different tokens after a line break than after a space.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

MIN_WIDTH, MAX_WIDTH = 50, 200
"""Range of widths, in characters, of wrapped text; shorter lines are verse or lists, longer ones whole paragraphs."""
FULLNESS = 0.85
"""A line is full if the next word would make it longer than this fraction of the longest line.

The fraction is below 1 because the characters of proportional fonts differ in width.
"""

# Matches the start of a list item, heading, table row, quotation, rule, tag or `Label: value`.
_OWN_START = re.compile(
    r"\s*(?:[-*+•·–]\s|\(?\d{1,3}[.)]\s|\(?[a-z][.)]\s|#|\||>|<|:|[-=_*~`]{3,}|\[|[A-Z][\w'’-]*(?: [\w'’-]+){0,3}:\s)"
)
_FENCE = re.compile(r"\s*(?:```|~~~)")
_ENDS_SENTENCE = re.compile(r"[.!?:;。！？][\"'”’)\]]*$")
_WORD = re.compile(r"[^\W\d_]+")
_HYPHENATED = re.compile(r"([^\W\d_]+)-$")


def join_wrapped_lines(text: str) -> str:
    """Join the lines of wrapped paragraphs.

    A paragraph is wrapped if all its lines but the last are full and most of them end inside a sentence. Code blocks,
    tables, lists and verse are left unchanged. A hyphen at the end of a line is removed if the word occurs without it
    elsewhere in the text.
    """
    lines = text.split("\n")
    words = cache(lambda: frozenset(_WORD.findall(text)))
    blocks: list[list[str]] = []
    fenced = False
    for index, line in enumerate(lines):
        is_fence = bool(_FENCE.match(line))
        after_blank = not index or not lines[index - 1].strip()
        if after_blank or not line.strip() or fenced or is_fence or _starts_alone(line, blocks[-1]):
            blocks.append([])
        blocks[-1].append(line)
        fenced ^= is_fence
    return "\n".join(_joined(block, words) if _is_wrapped(block) else "\n".join(block) for block in blocks)


def _starts_alone(line: str, before: Sequence[str]) -> bool:
    """Return whether a line does not seem to continue the previous lines."""
    if _OWN_START.match(line):
        return True
    # Indented like code, and not part of a list item, whose lines may be indented.
    return line.startswith(("    ", "\t")) and not _OWN_START.match(before[0])


def _is_wrapped(block: Sequence[str]) -> bool:
    width = max(map(len, block))
    if len(block) < 2 or not MIN_WIDTH <= width <= MAX_WIDTH:
        return False
    if block[0].lstrip().startswith(("#", "<")) or any("|" in line for line in block):
        return False
    nexts = [line.split(maxsplit=1)[0] for line in block[1:]]
    if any(len(line) + 1 + len(word) < FULLNESS * width for line, word in zip(block[:-1], nexts, strict=True)):
        return False
    return 2 * sum(bool(_ENDS_SENTENCE.search(line)) for line in block[:-1]) < len(block) - 1


def _joined(block: Sequence[str], words: Callable[[], frozenset[str]]) -> str:
    # Only the last word is searched for a hyphen: searching all of the joined text takes quadratic time.
    parts, last = [block[0]], _last_word(block[0])
    for line in block[1:]:
        following = line.lstrip()
        head, tail = _HYPHENATED.search(last), _WORD.match(following)
        if head is None or tail is None or not tail.group().islower():
            parts.append(" ")
            last = ""
        elif head.group(1) + tail.group() in words():
            parts[-1] = parts[-1][:-1]
            last = last[:-1]
        parts.append(following)
        word = _last_word(following)
        last = last + word if word == following else word
    return "".join(parts)


def _last_word(line: str) -> str:
    """Return the text after the last space of a line."""
    return line[max(line.rfind(" "), line.rfind("\t")) + 1 :]
