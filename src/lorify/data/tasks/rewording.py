"""Reword descriptions of tasks with synonyms, so that training sees more wordings."""

from __future__ import annotations

import random
import re
from functools import cache

from lorify.data.tables import load_table
from lorify.data.text import capitalize_first

REPLACED_SHARE = 0.5
"""Fraction of the words with synonyms that are replaced."""
OMITTED_SHARE = 0.15
"""Fraction of articles, `please` and final full stops that are omitted."""

_QUOTED = re.compile(r'("[^"]*")')
_OMISSIBLE = re.compile(r"\b(?:the|a|an|please)\b ?|\.$", re.IGNORECASE)


def reword(text: str, rng: random.Random) -> str:
    """Replace words of a description by synonyms; quoted text and special characters stay unchanged."""
    pieces = _QUOTED.split(text)  # outside quotes, quoted, outside, ...
    return "".join(piece if index % 2 else _reword_piece(piece, rng) for index, piece in enumerate(pieces))


def _reword_piece(text: str, rng: random.Random) -> str:
    def replace(found: re.Match[str]) -> str:
        old = found[0]
        if rng.random() > REPLACED_SHARE:
            return old
        new = rng.choice(_synonyms()[old.lower()])
        return capitalize_first(new) if old[0].isupper() else new

    def omit(found: re.Match[str]) -> str:
        return "" if rng.random() < OMITTED_SHARE else found[0]

    return _OMISSIBLE.sub(omit, _replaceable().sub(replace, text))


@cache
def _synonyms() -> dict[str, tuple[str, ...]]:
    groups = load_table("lorify.data.tasks", "synonyms")["synonyms"]
    return {
        old: tuple(new for new in (*group["words"], *group["replacements"]) if new != old)
        for group in groups
        for old in group["words"]
    }


@cache
def _replaceable() -> re.Pattern[str]:
    longest_first = sorted(map(re.escape, _synonyms()), key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(longest_first)})\b", re.IGNORECASE)
