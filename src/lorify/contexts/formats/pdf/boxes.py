"""Boxes on a page: words, and the pieces of lines that they form.

Coordinates are in points; y grows downwards, and text runs from left to right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A text on a page with its bounding box.

    Attributes:
        text: its text; words have no spaces.
        left, top, right, bottom: sides of the box, in points.
        size: height of its characters, in points.
        index: position in the file's drawing order.
        is_block: whether the text is a whole table, not a piece of a line.
        words: the words of a piece of a line, so that it can be divided; empty for words themselves.
    """

    text: str
    left: float
    top: float
    right: float
    bottom: float
    size: float
    index: int = 0
    is_block: bool = False
    words: tuple[Box, ...] = ()

    @property
    def middle(self) -> float:
        """Vertical middle of the box."""
        return (self.top + self.bottom) / 2

    def is_beside(self, other: Box) -> bool:
        """Return whether both boxes are on one line of text, judging by their heights."""
        overlap = min(self.bottom, other.bottom) - max(self.top, other.top)
        return overlap > 0.5 * min(self.bottom - self.top, other.bottom - other.top)


def joined(boxes: Sequence[Box], separator: str = " ") -> Box:
    """Return one box around several, with their texts in the given order."""
    return Box(
        separator.join(box.text for box in boxes),
        min(box.left for box in boxes),
        min(box.top for box in boxes),
        max(box.right for box in boxes),
        max(box.bottom for box in boxes),
        max(box.size for box in boxes),
        boxes[0].index,
    )


def text_lines(boxes: Sequence[Box]) -> list[list[Box]]:
    """Group boxes into lines from top to bottom, each from left to right."""
    lines: list[list[Box]] = []
    for box in sorted(boxes, key=lambda box: (box.middle, box.left)):
        if lines and lines[-1][0].is_beside(box):
            lines[-1].append(box)
        else:
            lines.append([box])
    return [sorted(line, key=lambda box: box.left) for line in lines]
