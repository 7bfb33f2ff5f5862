"""Follow-ups written by people, in the format of CANARD (Elgohary et al., 2019): a JSON list of objects with `History`,
`Question` and `Rewrite`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lorify.data.follow_ups.generate import FollowUp
from lorify.data.follow_ups.prompt import follow_up_prompt
from lorify.errors import TrainingError

NUM_TITLES = 2
"""`History` begins with the titles of the article and of its section."""
MAX_REWRITE_WORDS = 26
_WORD = re.compile(r"[^\W_]{4,}")


def load_follow_ups(path: Path) -> list[FollowUp]:
    """Read the follow-ups that can be rewritten from their own chat.

    Questions at the beginning of a chat are left out, and so are rewritten questions with a word of four letters or
    more that is not in the prompt, such as the title of the article.

    Raises:
        TrainingError: if the file is missing or has another format.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(rows, list):
            raise TypeError("not a list")
        return [follow_up for row in rows for follow_up in _read(row)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(
            f"{path} cannot be read as follow-ups ({error}); it must be a JSON list of History, Question and Rewrite"
        ) from error


def _read(row: dict[str, Any]) -> Iterator[FollowUp]:
    said = row["History"][NUM_TITLES:]
    turns = tuple(zip(said[::2], said[1::2], strict=False))
    question, alone = row["Question"].strip(), row["Rewrite"].strip()
    shown = {word.lower() for word in _WORD.findall(follow_up_prompt(turns, question))}
    needed = {word.lower() for word in _WORD.findall(alone)}
    if turns and alone.endswith("?") and needed <= shown and len(alone.split()) <= MAX_REWRITE_WORDS:
        yield FollowUp(turns, question, alone)
