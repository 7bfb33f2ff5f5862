"""The suite of a document and a task at once: facts of new documents in forms that a task describes."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import Field

from lorify.base.model import BaseLM
from lorify.data.examples import Question
from lorify.errors import EvaluationError
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case, TaskContext
from lorify.facade import Lorify
from lorify.json_text import parse_json

DATA_PATH = Path(__file__).with_name("document_tasks.json")


class DocumentTasksSuite(Suite):
    """60 pairs of a fact and a form on 20 documents; an answer is right if both are."""

    name = "document_tasks"
    kind = "document_tasks"
    default_methods = "none,icl,document,adapter"
    max_new_tokens = 40
    path: Path = Field(DATA_PATH, description="JSON file of documents with pairs; by default the 60 that ship.")

    def build(self, model: Lorify) -> list[Case]:
        """Read the documents; one case for each pair."""
        try:
            documents = parse_json(self.path.read_text(encoding="utf-8"))["documents"]
            cases = [_case(model.base, document, pair) for document in documents for pair in document["pairs"]]
        except OSError as error:
            raise EvaluationError(f"{self.path} cannot be read ({error.strerror}); give a file of pairs") from error
        except (KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise EvaluationError(
                f"{self.path} is not a file of pairs ({error!r}); expected documents with id, text and pairs of "
                "question, fact, form, task and answers"
            ) from error
        if not cases:
            raise EvaluationError(f"{self.path} has no pair; give a file of pairs")
        return cases


def _case(base: BaseLM, document: dict, pair: dict) -> Case:
    """The case of a pair; those of one document are resampled together."""
    task = TaskContext(
        name=document["id"],
        family=pair["form"],
        seed=0,
        description=pair["task"],
        mismatched=None,
        noise="",
        examples=(),
    )
    return Case(
        id=f"{document['id']}/{pair['form']}",
        documents=(document["text"],),
        questions=(Question(pair["question"], tuple(pair["answers"])),),
        source=DocumentTasksSuite.name,
        length_tokens=len(base.encode_text(document["text"])),
        task=task,
        metric="exact",
    )
