"""Phrases that drawn tasks write around, before, after or between texts."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

from lorify.data.tables import load_table
from lorify.data.tasks import words


@cache
def phrase_table() -> dict[str, Any]:
    """Return the exclamations, speakers and labels."""
    return load_table("lorify.data.tasks.families", "phrases")


def draw_exclamation(rng: random.Random) -> str:
    """Draw an exclamation."""
    return rng.choice(phrase_table()["exclamations"])


def draw_phrase(rng: random.Random) -> str:
    """Draw an exclamation, a word or two words."""
    choice = rng.random()
    if choice < 0.5:
        return draw_exclamation(rng)
    if choice < 0.8:
        return rng.choice(words.ALL_WORDS)
    return " ".join(rng.sample(words.ALL_WORDS, 2))


def attach(text: str, phrase: str, joint: str, *, before: bool) -> str:
    """Write a phrase before or after a text.

    Args:
        text: the text.
        phrase: the phrase.
        joint: what to write between the two.
        before: write the phrase first.
    """
    return f"{phrase}{joint}{text}" if before else f"{text}{joint}{phrase}"
