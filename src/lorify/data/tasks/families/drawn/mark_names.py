"""Signs, brackets and pairs of marks with their names."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from lorify.data.number_words import NUMBER_WORDS
from lorify.data.tables import load_table

T = TypeVar("T")
Pair = tuple[str, str]
"""Left and right mark."""


@cache
def _table() -> dict[str, Any]:
    return load_table("lorify.data.tasks.families", "marks")


@cache
def signs() -> Mapping[str, Sequence[str]]:
    """Return the signs with their names."""
    return _table()["signs"]


@cache
def bracket_signs() -> Mapping[str, Sequence[str]]:
    """Return the single marks of the unseen family `brackets`; they never enclose anything in answers."""
    return _table()["bracket_signs"]


@cache
def pairs() -> Mapping[Pair, Sequence[str]]:
    """Return the pairs of marks with their names."""
    return {(row["left"], row["right"]): row["names"] for row in _table()["pairs"]}


@cache
def bracket_pairs() -> Mapping[Pair, Sequence[str]]:
    """Return the pairs of the unseen family `brackets`; they enclose text in inputs, but never in answers."""
    return {(row["left"], row["right"]): row["names"] for row in _table()["bracket_pairs"]}


def draw_named(rng: random.Random, marks: Mapping[T, Sequence[str]]) -> tuple[T, str]:
    """Draw a mark and one of its names."""
    mark, names = rng.choice(list(marks.items()))
    return mark, rng.choice(names)


def draw_sign(rng: random.Random, marks: Mapping[str, Sequence[str]] | None = None) -> tuple[str, str]:
    """Draw a sign, repeated one to three times, and its name: `**`, `two asterisks`.

    Args:
        rng: source of randomness.
        marks: the signs to draw from; by default all but brackets.
    """
    (mark, name), times = draw_named(rng, marks or signs()), rng.choice((1, 1, 2, 3))
    return mark * times, f"{NUMBER_WORDS[times]} {name if times == 1 else plural(name)}"


def draw_enclosing_marks(rng: random.Random, *, allow_brackets: bool) -> tuple[str, str, str]:
    """Draw enclosing marks: the left one, the right one and their common name.

    Args:
        rng: source of randomness.
        allow_brackets: whether brackets, which never enclose anything in answers, may be drawn.
    """
    choice = rng.random()
    if allow_brackets and choice < 0.5:
        (left, right), name = draw_named(rng, bracket_pairs())
    elif choice < 0.75:
        mark, name = draw_named(rng, signs())
        left, right, name = mark, mark, plural(name)
    else:
        (left, right), name = draw_named(rng, pairs())
    return left, right, name


def draw_different_marks(rng: random.Random, left: str, right: str) -> tuple[str, str, str]:
    """Draw enclosing marks for an answer that have no character in common with the given ones.

    Args:
        rng: source of randomness.
        left: left mark already in use.
        right: right mark already in use.

    Returns:
        Left mark, right mark, and their name in descriptions.
    """
    while True:
        new_left, new_right, name = draw_enclosing_marks(rng, allow_brackets=False)
        if not set(new_left + new_right) & set(left + right):
            return new_left, new_right, name


def plural(name: str) -> str:
    """Return the plural of a sign's name."""
    if name.endswith("sis"):
        return f"{name[:-2]}es"
    return f"{name}{'es' if name[-1] == 'h' else 's'}"
