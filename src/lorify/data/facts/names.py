"""Invented names of people, towns and everything built on a stem, in two splits that share no name part."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from lorify.data.tables import load_table

Split = Literal["train", "heldout"]

TOWN_ENDINGS = ("", "", "ford", "stad", "mouth", "burg", "haven", "field", "bridge", "vale", " Bay", " Falls")
SURNAME_ENDINGS = ("", "", "", "ez", "sen", "ova", "ski", "man", "ini", "oglu")
MAX_STEM_ATTEMPTS = 50
"""After this many collisions the pool is considered used up, and stems are joined in pairs."""


@dataclass(frozen=True)
class NamePool:
    """The parts that the names of one split are built from.

    Attributes:
        feminine: first names of people called `she`.
        masculine: first names of people called `he`.
        surnames: complete surnames; further ones are built from stems.
        towns: complete names of towns; further ones are built from stems.
        stem_heads: beginnings of stems.
        stem_tails: ends of stems.
    """

    feminine: tuple[str, ...]
    masculine: tuple[str, ...]
    surnames: tuple[str, ...]
    towns: tuple[str, ...]
    stem_heads: tuple[str, ...]
    stem_tails: tuple[str, ...]

    def stems(self) -> set[str]:
        """Build every stem that the parts allow."""
        return {head + tail for head in self.stem_heads for tail in self.stem_tails}


@cache
def name_pools() -> dict[Split, NamePool]:
    """Return the name parts of each split."""
    table = load_table("lorify.data.facts", "names")
    return {
        split: NamePool(**{part: tuple(words) for part, words in table[split].items()}) for split in get_args(Split)
    }


@dataclass(frozen=True)
class Person:
    """A person's names."""

    first: str
    last: str
    feminine: bool

    @property
    def full(self) -> str:
        """First name and surname."""
        return f"{self.first} {self.last}"


class Names:
    """Draws names of one split; an instance never repeats a stem, surname or town."""

    def __init__(self, rng: random.Random, split: Split) -> None:
        """Start with all names unused.

        Args:
            rng: source of randomness.
            split: which pool to draw from.
        """
        self.rng = rng
        self.pool = name_pools()[split]
        self._used: set[str] = set()

    def person(self) -> Person:
        """Draw a person with a new surname; first names repeat only when the pool runs short."""
        feminine = self.rng.random() < 0.5
        pool = self.pool.feminine if feminine else self.pool.masculine
        unused = [name for name in pool if name not in self._used]
        first = self.rng.choice(unused or pool)
        self._used.add(first)
        return Person(first, self.surname(), feminine)

    def surname(self) -> str:
        """Draw a surname; one in four is built from a stem."""
        if self.rng.random() < 0.75:
            unused = [name for name in self.pool.surnames if name not in self._used]
            if unused:
                return self._use(self.rng.choice(unused))
        return self.stem(SURNAME_ENDINGS)

    def town(self) -> str:
        """Draw a town; two in five are built from a stem."""
        if self.rng.random() < 0.6:
            unused = [name for name in self.pool.towns if name not in self._used]
            if unused:
                return self._use(self.rng.choice(unused))
        return self.stem(TOWN_ENDINGS)

    def stem(self, endings: tuple[str, ...] = ("",)) -> str:
        """Draw an invented capitalized word with one of the endings, for companies, products, ships and more."""
        for attempt in itertools.count():
            stem = self._draw_stem()
            if attempt > MAX_STEM_ATTEMPTS:
                stem += "-" + self._draw_stem()
            name = stem + self.rng.choice(endings)
            # The stem must be new as well: Kaldor and Kaldorford would be too similar.
            if stem not in self._used and name not in self._used:
                self._used.add(stem)
                return self._use(name)
        raise AssertionError("unreachable: pairs of stems do not run out")

    def _draw_stem(self) -> str:
        return self.rng.choice(self.pool.stem_heads) + self.rng.choice(self.pool.stem_tails)

    def _use(self, name: str) -> str:
        self._used.add(name)
        return name
