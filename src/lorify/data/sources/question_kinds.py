"""Kinds of natural questions, by their data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lorify.data.examples import Example

KIND_OF_SOURCE = {
    "boolq_train_subset": "yes_no",
    "strategyqa_facts": "yes_no",
    "pubmedqa": "yes_no",
    "ropes_p3": "choice",
    "tatqa": "quantity",
    "cosmosqa_valid": "reason",
    "duorc_p3": "short",
    "selqa": "sentence",
    "qmsum_spans": "summary",
}
"""Kind of the questions in each file, by file name without extension."""


def by_question_kind(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """Group examples by the kind of their questions and set `kind`; examples from other sources are left out."""
    groups: dict[str, list[Example]] = {}
    for example in examples:
        kind = KIND_OF_SOURCE.get(example.source)
        if kind is not None:
            questions = tuple(replace(question, kind=kind) for question in example.questions)
            groups.setdefault(kind, []).append(replace(example, questions=questions))
    return groups
