"""Answers in JSON about documents, scored field by field; written for this suite and never trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from lorify.data.answers import LEFT_OUT
from lorify.data.examples import Example, Question
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case, make_case
from lorify.facade import Lorify
from lorify.json_text import as_json

DATA_PATH = Path(__file__).with_name("records.json")
KINDS = ("string", "integer", "number", "boolean", "array", "enum", "date", "null", "left out")
"""Kinds of fields: the type of the value, or what is right where the document states none."""
COMPARED_IN_WORDS = ("string", "array")
"""Kinds whose texts are compared without case, punctuation and articles."""


class RecordsSuite(Suite):
    """Questions for one or two fields and instructions to extract up to seven, as JSON that matches a schema.

    Each field of an answer is scored by itself.
    """

    name = "records"
    default_methods = "none,icl,adapter"
    max_new_tokens = 160
    documents: int = Field(28, ge=1, description="Number of documents; fewer are spread over their kinds.")

    def build(self, model: Lorify) -> list[Case]:
        """Read the documents; the condition of a question is the kind of its field."""
        documents = json.loads(DATA_PATH.read_text(encoding="utf-8"))["documents"]
        # One document of each kind, then the next of each, so that a part of the suite has all kinds.
        documents.sort(key=lambda document: int(document["id"].rpartition("-")[2]))
        return [_case(model, document) for document in documents[: self.documents]]


def _case(model: Lorify, document: Mapping[str, Any]) -> Case:
    questions = tuple(
        _question(request["request"], field, schema)
        for request in document["requests"]
        for schema in [answer_schema(request["fields"])]
        for field in request["fields"]
    )
    return make_case(model.base, document["id"], Example((document["text"],), questions, RecordsSuite.name))


def answer_schema(fields: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the JSON schema of an answer with fields of the data file."""
    return {
        "type": "object",
        "properties": {field["name"]: field["schema"] for field in fields},
        "required": [field["name"] for field in fields if not field.get("optional")],
        "additionalProperties": False,
    }


def _question(request: str, field: Mapping[str, Any], schema: Mapping[str, Any]) -> Question:
    kind = _kind(field["schema"], field["answers"])
    return Question(
        request,
        tuple(map(as_json, field["answers"])) or (LEFT_OUT,),
        kind,
        "json_words" if kind in COMPARED_IN_WORDS else "json_value",
        schema=schema,
        field=field["name"],
    )


def _kind(schema: Mapping[str, Any], answers: list[Any]) -> str:
    if not answers:
        return "left out"
    if answers == [None]:
        return "null"
    if "enum" in schema:
        return "enum"
    if schema.get("format") == "date":
        return "date"
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    return next(name for name in types if name != "null")
