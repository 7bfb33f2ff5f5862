"""The one form in which training and evaluation see data: a context and questions about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Question:
    """A question and its acceptable answers; the first answer is the one to train on."""

    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Example:
    """A context (one or more documents) with questions that it answers.

    Attributes:
        documents: the texts to internalize, in order; statistics of several documents add.
        questions: questions whose answers are in the documents.
        source: name of the data set or generator, for reports.
        images: images to internalize, after the texts; files or images in memory.
    """

    documents: tuple[str, ...]
    questions: tuple[Question, ...]
    source: str
    images: tuple[Path | Image, ...] = ()
