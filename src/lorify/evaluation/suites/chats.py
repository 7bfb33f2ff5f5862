"""Chats whose last question refers back, beside the same question asked alone; written for it, never trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import Field

from lorify.data.examples import Example, Question
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case, make_case
from lorify.facade import Lorify

DATA_PATH = Path(__file__).with_name("chats.json")
CHAT, SINGLE = "chat", "single question"


class ChatsSuite(Suite):
    """Two- and three-turn chats with pronouns and short questions, and the last question of each asked alone.

    The earlier turns have the expected answers, whatever a method would have answered.
    """

    name = "chats"
    default_methods = "icl:shots=3,adapter"
    documents: int = Field(20, ge=1, le=20, description="Number of documents, with five chats each.")

    def build(self, model: Lorify) -> list[Case]:
        """Read the documents; the score of the chats is relative to that of single questions."""
        documents = json.loads(DATA_PATH.read_text(encoding="utf-8"))["documents"][: self.documents]
        return [_case(model, document, condition) for document in documents for condition in (CHAT, SINGLE)]


def _case(model: Lorify, document: dict[str, Any], condition: str) -> Case:
    is_chat = condition == CHAT
    questions = tuple(
        Question(
            chat["question"] if is_chat else chat["single"],
            tuple(chat["answers"]),
            condition,
            "contained",
            tuple((question, answer) for question, answer in chat["before"]) if is_chat else (),
        )
        for chat in document["chats"]
    )
    example = Example((document["text"],), questions, ChatsSuite.name)
    name = f"{document['id']}-{condition.partition(' ')[0]}"
    return make_case(model.base, name, example, condition=condition, reference=SINGLE if is_chat else "")
