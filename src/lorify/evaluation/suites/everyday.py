"""Questions as people ask them about documents of everyday kinds, written for this suite and never trained on."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import Field

from lorify.data.answers import NOT_STATED
from lorify.data.examples import Example, Question
from lorify.data.tasks.schema import Metric
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case, make_case
from lorify.facade import Lorify

DATA_PATH = Path(__file__).with_name("everyday.json")
KIND_METRICS: dict[str, Metric] = {
    "short": "contained",
    "choice": "contained",
    "quantity": "quantity",
    "yes_no": "verdict",
    "list": "listed",
    "reason": "word_recall",
    "sentence": "word_recall",
    "summary": "key_points",
    "absent": "declined",
}
"""Metric of each kind of question."""


class EverydaySuite(Suite):
    """Nine kinds of questions about articles, handbooks, contracts, minutes, mails, manuals and more."""

    name = "everyday"
    default_methods = "icl:shots=3,rag:shots=3,adapter"
    documents: int = Field(40, ge=1, description="Number of documents; fewer are spread over their kinds.")

    def build(self, model: Lorify) -> list[Case]:
        """Read the documents; the condition of a question is its kind."""
        documents = json.loads(DATA_PATH.read_text(encoding="utf-8"))["documents"]
        # One document of each kind, then the next of each, so that a part of the suite has all kinds.
        documents.sort(key=lambda document: int(document["id"].rpartition("-")[2]))
        return [_case(model, document) for document in documents[: self.documents]]


def _case(model: Lorify, document: dict) -> Case:
    questions = tuple(
        Question(q["question"], tuple(q["answers"]) or (NOT_STATED,), q["kind"], KIND_METRICS[q["kind"]])
        for q in document["questions"]
    )
    return make_case(model.base, document["id"], Example((document["text"],), questions, EverydaySuite.name))
