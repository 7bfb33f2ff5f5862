"""Matching a free answer to one of a fixed set of choices."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher


def nearest_choice(prediction: str, choices: Sequence[tuple[str, str]]) -> str:
    """Find the choice that an answer names, or else the most similar one.

    The first text that occurs in the answer decides, also inside other words or with its spaces left out. Otherwise it
    is the first choice all of whose words occur, and otherwise the choice with the most similar spelling.

    Args:
        prediction: the answer.
        choices: (text to look for, choice that it means), in the order in which they are tried.
    """
    spaced = _normalize(prediction)
    joined = spaced.replace(" ", "")
    for text, choice in choices:
        if _normalize(text) in spaced or _normalize(text).replace(" ", "") in joined:
            return choice
    names = list(dict.fromkeys(choice for _, choice in choices))
    for name in names:
        if set(_normalize(name).split()) <= set(spaced.split()):
            return name
    return max(names, key=lambda name: SequenceMatcher(None, spaced, _normalize(name)).ratio())


def _normalize(text: str) -> str:
    """Convert to lower case, with a single space for each run of characters that are not ASCII letters or digits."""
    return " ".join("".join(c if c.isascii() and c.isalnum() else " " for c in text.lower()).split())
