"""Follow-ups written by people, in the format of CANARD (Elgohary et al., 2019): a JSON list of objects with `History`,
`Question` and `Rewrite`, and `QuAC_dialog_id` to read whole chats."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from lorify.data.examples import Example, Question
from lorify.data.follow_ups.generate import FollowUp
from lorify.data.follow_ups.prompt import follow_up_prompt
from lorify.errors import TrainingError

NUM_TITLES = 2
"""`History` begins with the titles of the article and of its section."""
MAX_REWRITE_WORDS = 26
MIN_ANSWERS = 3
NO_ANSWERS = ("CANNOTANSWER", "I don't know.", "")
CHATS_SOURCE = "chats"
T = TypeVar("T")
_WORD = re.compile(r"[^\W_]{4,}")


def load_follow_ups(path: Path) -> list[FollowUp]:
    """Read the follow-ups that can be rewritten from their own chat.

    Questions at the beginning of a chat are left out, as are rewritten questions that contain a word of four or more
    letters that is not in the prompt, such as the title of the article.

    Raises:
        TrainingError: if the file is missing or has another format.
    """
    return _parse(path, lambda rows: [follow_up for row in rows for follow_up in _read(row)])


def load_answered_chats(path: Path) -> list[Example]:
    """Read chats as examples: the text consists of a chat's answers, and the questions follow each other.

    The articles are not part of the data, but answers are passages from them (Choi et al., 2018, arXiv
    1808.07036), so the text reads like parts of one.

    Returns:
        An example for each chat with at least three answers; its questions have turns, and each answer is a whole
        passage.

    Raises:
        TrainingError: if the file is missing or has another format.
    """
    return _parse(path, _answered_chats)


def _parse(path: Path, read: Callable[[list[dict[str, Any]]], list[T]]) -> list[T]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(rows, list):
            raise TypeError("not a list")
        return read(rows)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(
            f"{path} cannot be read as follow-ups ({error}); it must be a JSON list in the format of CANARD: "
            "History, Question, Rewrite, QuAC_dialog_id"
        ) from error


def _answered_chats(rows: list[dict[str, Any]]) -> list[Example]:
    # The turns of the last question are the whole chat except the answer to that question.
    chats: dict[str, tuple[tuple[str, str], ...]] = {}
    for row in rows:
        turns = _turns(row)
        chats[row["QuAC_dialog_id"]] = max(turns, chats.get(row["QuAC_dialog_id"], ()), key=len)
    found: list[Example] = []
    for turns in chats.values():
        answers = dict.fromkeys(answer for _, answer in turns if answer not in NO_ANSWERS)
        if len(answers) < MIN_ANSWERS:
            continue
        text = " ".join(answer if answer.endswith((".", "!", "?")) else f"{answer}." for answer in answers)
        questions = [
            Question(question, (answer,), turns=turns[:number])
            for number, (question, answer) in enumerate(turns)
            if number and answer in answers
        ]
        found.append(Example((text,), tuple(questions), CHATS_SOURCE))
    return found


def _turns(row: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the turns before a question; a question without an answer at the end is dropped."""
    texts = [text.strip() for text in row["History"][NUM_TITLES:]]
    return tuple(zip(texts[::2], texts[1::2], strict=False))


def _read(row: dict[str, Any]) -> Iterator[FollowUp]:
    turns = _turns(row)
    question, alone = row["Question"].strip(), row["Rewrite"].strip()
    shown = {word.lower() for word in _WORD.findall(follow_up_prompt(turns, question))}
    needed = {word.lower() for word in _WORD.findall(alone)}
    if turns and alone.endswith("?") and needed <= shown and len(alone.split()) <= MAX_REWRITE_WORDS:
        yield FollowUp(turns, question, alone)
