"""Join the characters of a page into words, and words into pieces of lines."""

from __future__ import annotations

import ctypes
import itertools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import pypdfium2.raw as pdfium
from pypdfium2 import PdfPage

from lorify.contexts.formats.pdf.boxes import Box, joined

MAX_CHARACTERS = 200_000
"""Maximum number of characters of a page; pages of books have about 3,000."""

_WORD_GAP, _PIECE_GAP, _STRAY_GAP = 0.3, 0.9, 0.4
"""Gaps, in character heights, that end words, pieces drawn in one go, and pieces drawn separately."""
_JUSTIFIED_GAP, _JUSTIFIED_WORDS = 3.0, 5
"""Widest gap, in character heights, and smallest number of words of a line stretched to its column width."""
_FLAT = 0.35
"""A character less tall than this, relative to its neighbour, has the height of its ink, not of its font."""
_SAME_PLACE = 0.12
"""Distance, in character heights, between two equal characters drawn over each other to look bold."""
_CELL = 2.0
"""Side, in points, of the grid squares that index characters by place; narrower than any legible letter."""
_LEADERS = re.compile(r"(?:\s*\.){4,}\s*")
_BULLETS = {0xF0B7: "•", 0xF0A7: "•", 0xF0D8: "•", 0xF0FC: "•", 0xF06E: "•", 0xF0A8: "•"}


@dataclass(frozen=True)
class PageText:
    """The text of a page.

    Attributes:
        words: its words, turned so that most of the text runs from left to right.
        angle: the angle by which they were turned clockwise, in degrees: 0, 90, 180 or 270.
        slanted: text in other directions, such as a watermark or a label at the margin.
        num_characters: number of characters.
        num_unmapped: number of characters that the file does not map to letters.
    """

    words: list[Box]
    angle: int
    slanted: str
    num_characters: int
    num_unmapped: int


def read_words(page: PdfPage) -> PageText:
    """Read the words of a page.

    Raises:
        OverflowError: if it has more than `MAX_CHARACTERS` characters.
    """
    textpage = page.get_textpage()
    count = pdfium.FPDFText_CountChars(textpage)
    if count > MAX_CHARACTERS:
        raise OverflowError(f"a page has {count:,} characters")
    drawn = [_character(textpage, index) for index in range(count)]
    visible = [(index, char) for index, char in enumerate(drawn) if char.text.strip()]
    unmapped = sum(
        _is_meaningless(char.text) or pdfium.FPDFText_HasUnicodeMapError(textpage, index) == 1
        for index, char in visible
    )
    angles = Counter(char.angle for _, char in visible)
    main = angles.most_common(1)[0][0] if angles else 0
    upright = [_upright(char, main, index) for index, char in enumerate(drawn)]
    slanted = "".join(" " if box is not None else char.text for box, char in zip(upright, drawn, strict=True))

    def is_ligature(box: Box) -> bool:
        index = box.index
        if index == 0 or drawn[index][1:] != drawn[index - 1][1:]:
            return False
        first, second = (pdfium.FPDFText_GetTextObject(textpage, i) for i in (index - 1, index))
        return ctypes.addressof(first.contents) == ctypes.addressof(second.contents)

    return PageText(_words(upright, is_ligature), main or 0, " ".join(slanted.split()), len(visible), unmapped)


def turn(x: float, y: float, angle: int) -> tuple[float, float]:
    """Turn a point of the page, with y upwards, clockwise by 0, 90, 180 or 270 degrees, and let y grow downwards.

    Args:
        x: distance from the left.
        y: distance from the bottom.
        angle: 0, 90, 180 or 270 degrees.

    Returns:
        x to the right, and y downwards.
    """
    if angle == 0:
        return x, -y
    x, y = {90: (-y, x), 180: (-x, -y), 270: (y, -x)}.get(angle, (x, y))
    return x, -y


def line_pieces(words: Sequence[Box]) -> list[Box]:
    """Join the words of each line into pieces, split at gaps that may separate columns.

    Words that are consecutive in the file are joined across wider gaps (`_PIECE_GAP`) than words that it draws
    separately (`_STRAY_GAP`).

    Args:
        words: the words of a page, in the order of the file.
    """
    return _merge_stray([piece_of(group) for group in grouped_words(words)])


def grouped_words(words: Sequence[Box]) -> list[list[Box]]:
    """Group words that follow each other on a line and are drawn one after the other."""
    groups: list[list[Box]] = []
    for line in _runs(words, _JUSTIFIED_GAP):
        groups += [line] if _is_justified(line) else _runs(line, _PIECE_GAP)
    return groups


def _runs(words: Sequence[Box], gap: float) -> list[list[Box]]:
    """Group consecutive words with gaps of at most `gap` heights."""
    runs: list[list[Box]] = []
    for word in words:
        if runs and _follows(runs[-1][-1], word, gap):
            runs[-1].append(word)
        else:
            runs.append([word])
    return runs


def _is_justified(line: Sequence[Box]) -> bool:
    """Return whether a line is prose stretched to its column width: all its gaps are equal."""
    gaps = [second.left - first.right for first, second in itertools.pairwise(line)]
    num_lower = sum(word.text[0].islower() for word in line)
    return len(line) >= _JUSTIFIED_WORDS and 2 * num_lower >= len(line) and 0 < max(gaps) <= 1.3 * min(gaps)


def piece_of(words: Sequence[Box]) -> Box:
    """Join words of one line into a box; a row of leader dots, as in a table of contents, is shortened to three."""
    piece = joined(words)
    return replace(piece, text=_LEADERS.sub(" ... ", piece.text).strip(), words=tuple(words))


class _Character(NamedTuple):
    """A character with its box in page coordinates, and its direction in degrees; None for a space."""

    text: str
    left: float
    bottom: float
    right: float
    top: float
    angle: int | None


def _character(textpage: object, index: int) -> _Character:
    code = pdfium.FPDFText_GetUnicode(textpage, index)
    if code in (0xAD, 0xFFFE, 0x2) and pdfium.FPDFText_IsHyphen(textpage, index) == 1:
        text = "-"
    else:
        text = _BULLETS.get(code) or _normalized(code)
    rectangle = pdfium.FS_RECTF()
    pdfium.FPDFText_GetLooseCharBox(textpage, index, rectangle)
    box = rectangle.left, rectangle.bottom, rectangle.right, rectangle.top
    if not text.strip():
        return _Character(text, *box, None)
    radians = pdfium.FPDFText_GetCharAngle(textpage, index)
    degrees = round(math.degrees(radians)) % 360 if radians else 0
    nearest = round(degrees / 90) * 90
    return _Character(text, *box, nearest % 360 if abs(degrees - nearest) <= 5 else degrees)


def _normalized(code: int) -> str:
    """Return a character, with ligatures such as ﬁ as letters; U+FFFD if its code has no known meaning."""
    if 0xFB00 <= code <= 0xFB06:
        return unicodedata.normalize("NFKC", chr(code))
    if 0xD800 <= code <= 0xDFFF or 0xE000 <= code <= 0xF8FF or code > 0x10FFFF:
        return "\ufffd"
    return " " if code == 0xA0 or 0x2000 <= code <= 0x200A or code in (0x202F, 0x3000) else chr(code)


def _is_meaningless(text: str) -> bool:
    return text == "\ufffd" or (len(text) == 1 and unicodedata.category(text) in ("Cc", "Cn"))


def _upright(char: _Character, main: int | None, index: int) -> Box | None:
    """Return the box of a character after turning its page by `main` degrees; None if it is turned otherwise."""
    if char.angle is None:
        return Box("", 0, 0, 0, 0, 0)
    if main is None or char.angle != main:
        return None
    x0, y0 = turn(char.left, char.top, main)
    x1, y1 = turn(char.right, char.bottom, main)
    top, bottom = min(y0, y1), max(y0, y1)
    return Box(char.text, min(x0, x1), top, max(x0, x1), bottom, bottom - top, index)


def _words(characters: Iterable[Box | None], is_ligature: Callable[[Box], bool]) -> list[Box]:
    """Join characters into words; a character drawn twice at one place counts once.

    Args:
        characters: characters in drawing order; None and empty ones end words.
        is_ligature: whether a character is part of the same glyph as the one before it, such as the second f of ff.
    """
    words: list[list[Box]] = []
    places: dict[tuple[str, int, int], Box] = {}
    is_open = False
    for box in characters:
        if box is None or not box.text or _is_meaningless(box.text):
            is_open = False
            continue
        if _is_repeated(box, places) and not is_ligature(box):
            continue
        if is_open and _follows(words[-1][-1], box, _WORD_GAP):
            words[-1].append(box)
        else:
            words.append([box])
        is_open = True
    return [joined(word, "") for word in words]


def _is_repeated(box: Box, places: dict[tuple[str, int, int], Box]) -> bool:
    """Return whether the same character was already drawn at almost the same place, and remember this one."""
    column, row = int(box.left // _CELL), int(box.top // _CELL)
    reach = _SAME_PLACE * box.size
    for key in ((box.text, column + x, row + y) for x in (-1, 0, 1) for y in (-1, 0, 1)):
        other = places.get(key)
        if other is not None and abs(other.left - box.left) <= reach and abs(other.top - box.top) <= reach:
            return True
    places[box.text, column, row] = box
    return False


def _follows(last: Box, box: Box, gap: float) -> bool:
    """Return whether a box continues another's line, at most `gap` heights to the right (or left, in Arabic)."""
    size = min(last.size, box.size)
    if size < _FLAT * max(last.size, box.size):  # some fonts only give the ink height, small for a full stop
        size = max(last.size, box.size)
    if not last.is_beside(box):
        return False
    distance = box.left - last.right
    if _is_leftward(box.text) and box.left < last.left:
        distance = last.left - box.right
    # The letters of a ligature share one box.
    return (distance >= -0.5 * size or box.left >= last.left) and distance <= gap * size


def _is_leftward(text: str) -> bool:
    return unicodedata.bidirectional(text[0]) in ("R", "AL")


def _merge_stray(pieces: list[Box]) -> list[Box]:
    """Join pieces of one line that are close together but were not drawn one after the other."""
    merged: list[Box] = []
    by_row = sorted(pieces, key=lambda piece: (round(piece.middle / max(1.0, 0.5 * piece.size)), piece.left))
    for piece in by_row:
        last = merged[-1] if merged else None
        if last is not None and not _is_leftward(piece.text) and _follows(last, piece, _STRAY_GAP):
            merged[-1] = piece_of([*last.words, *piece.words])
        else:
            merged.append(piece)
    return merged
