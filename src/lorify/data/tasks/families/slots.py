"""Draw texts from templates with slots, such as `<first_names> <last_names>` or `<1..90> kg`.

A slot is a range of integers (`<1..90>`), a word list of `lorify.data.tasks.words` (`<cities>`, `<cities:title>` for
title case), or options (`<pdf|txt>`). Slots are drawn from left to right.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from functools import cache

from lorify.data.tasks.words import WORD_LISTS

_SLOT = re.compile(r"<([^<>]*)>")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_LIST = re.compile(r"([a-z_]+)(:title)?")
_CHARACTERS = {"letter": tuple("ABCDEFGHKLMNPRSTUVWXYZ")}
_DrawSlot = Callable[[random.Random], str]


def draw_text(rng: random.Random, template: str) -> str:
    """Draw a text: fill every slot of a template."""
    return "".join(piece if isinstance(piece, str) else piece(rng) for piece in _parse(template))


@cache
def _parse(template: str) -> tuple[str | _DrawSlot, ...]:
    pieces = _SLOT.split(template)  # literal, slot, literal, ...
    return tuple(_parse_slot(piece) if index % 2 else piece for index, piece in enumerate(pieces))


def _parse_slot(slot: str) -> _DrawSlot:
    if found := _RANGE.fullmatch(slot):
        low, high = int(found[1]), int(found[2])
        return lambda rng: str(rng.randint(low, high))
    if found := _LIST.fullmatch(slot):
        words = _CHARACTERS.get(found[1]) or WORD_LISTS[found[1]]
        return _chooser([word.title() for word in words] if found[2] else words)
    return _chooser(slot.split("|"))


def _chooser(options: Sequence[str]) -> _DrawSlot:
    return lambda rng: rng.choice(options)
