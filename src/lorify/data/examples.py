"""The common form of document data in training and evaluation: a context with questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

    from lorify.data.tasks.schema import Metric


@dataclass(frozen=True)
class Question:
    """A question and its acceptable answers; the first answer is the training target.

    Attributes:
        text: the question.
        answers: its acceptable answers.
        kind: kind of question, for reports; empty if its example has only one kind.
        metric: how answers are scored; None: like all questions of its example.
        turns: earlier questions of its chat, each with its answer.
        schema: JSON schema of the whole answer; None if the answer is text.
        field: the field of a JSON answer whose values, as JSON, are `answers`; empty if the answer is text.
    """

    text: str
    answers: tuple[str, ...]
    kind: str = ""
    metric: Metric | None = None
    turns: tuple[tuple[str, str], ...] = ()
    schema: Mapping[str, Any] | None = None
    field: str = ""


@dataclass(frozen=True)
class Example:
    """A context (one or more documents or images) with questions that it answers.

    Attributes:
        documents: texts to internalize, in order.
        questions: questions whose answers are in the context.
        source: name of the data set or generator, for reports.
        images: images to internalize after the texts, as files or in memory.
        unanswerable: questions that the documents do not answer.
    """

    documents: tuple[str, ...]
    questions: tuple[Question, ...]
    source: str
    images: tuple[Path | Image, ...] = ()
    unanswerable: tuple[str, ...] = ()
