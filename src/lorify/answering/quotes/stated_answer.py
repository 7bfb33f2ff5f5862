"""An answer that a rule reads from a sentence or a row of a table."""

from __future__ import annotations

from typing import NamedTuple


class StatedAnswer(NamedTuple):
    """An answer, and the sentence or the row that states it."""

    text: str
    sentence: str
