"""An answer that a rule extracts from a sentence or a table row."""

from __future__ import annotations

from typing import NamedTuple


class StatedAnswer(NamedTuple):
    """An answer, and the sentence or table row that states it."""

    text: str
    sentence: str
