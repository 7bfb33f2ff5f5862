"""Everyday documents, such as minutes, contracts and mails, with questions and chats; written for training.

None of them is in a suite. Answers are words from the document, `yes` or `no`. Some questions have no answer, although
the document contains words that might seem to answer them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from lorify.data.examples import Example, Question
from lorify.data.follow_ups.prompt import question_in_chat
from lorify.data.tables import load_rows

SOURCE = "written"


@cache
def written_documents() -> tuple[Example, ...]:
    """Read the written documents. Questions in chats have turns; unanswerable questions contain their turns."""
    return tuple(map(_example, load_rows("lorify.data.written", "documents")))


def _example(document: dict[str, Any]) -> Example:
    asked = [((), row) for row in document["questions"]]
    asked += [(tuple((question, answer) for question, answer in row["before"]), row) for row in document["chats"]]
    questions = [Question(row["question"], tuple(row["answers"]), turns=turns) for turns, row in asked]
    return Example(
        (document["text"],),
        tuple(question for question in questions if question.answers),
        SOURCE,
        unanswerable=tuple(question_in_chat(each.turns, each.text) for each in questions if not each.answers),
    )
