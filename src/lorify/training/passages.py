"""Natural passages and plain documents for training, each with a held-out part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from lorify.contexts.texts.line_wraps import join_wrapped_lines
from lorify.data.examples import Example
from lorify.data.sources.question_kinds import KIND_OF_SOURCE, by_question_kind
from lorify.data.sources.questions import load_question_examples
from lorify.data.sources.splits import split_by_passage
from lorify.data.sources.texts import load_text_examples
from lorify.errors import ConfigError
from lorify.hypernets.associative.training_config import AssociativeData
from lorify.hypernets.training_data import ContextMix

MAX_EVERYDAY_ANSWER_CHARS = 400


def prepare_passages(data: ContextMix) -> tuple[list[Example], list[Example]]:
    """Read natural passages with questions, to train on and held out; both empty without a path.

    Raises:
        EvaluationError: if the path is missing, a line is not a question, or no passage is within the length limits.
        ConfigError: if no passage can be held out.
    """
    if data.questions_path is None or data.questions == 0:
        return [], []
    examples = load_question_examples(
        data.questions_path, max_context_chars=data.max_context_chars, max_answer_chars=data.max_answer_chars
    )
    return _split(examples, "data.questions_path", data.questions_path)


class HasPassages(Protocol):
    """The config of a run on natural passages."""

    @property
    def data(self) -> ContextMix:
        """Return its data section."""
        ...


def heldout_passages_of(config: HasPassages) -> list[Example]:
    """Return the natural passages that a config holds out; errors as for `prepare_passages`."""
    return prepare_passages(config.data)[1]


def prepare_texts(data: AssociativeData) -> tuple[list[Example], list[Example]]:
    """Read passages of plain documents, to train on and held out; both empty without a path.

    Raises:
        EvaluationError: if the path is missing, a line is not a document, or there is no passage.
        ConfigError: if no passage can be held out.
    """
    if data.texts_path is None or data.texts == 0:
        return [], []
    examples = load_text_examples(data.texts_path, max_context_chars=data.max_context_chars)
    return _split(examples, "data.texts_path", data.texts_path)


def prepare_everyday(
    data: AssociativeData, heldout_passages: Sequence[Example]
) -> tuple[dict[str, list[Example]], dict[str, list[Example]]]:
    """Read natural passages with all kinds of questions that people ask, by kind, to train on and held out.

    Their answers may be longer than `data.max_answer_chars`.

    Args:
        data: the data to read; both results are empty without a path, or if `everyday` is 0.
        heldout_passages: the held-out part from `prepare_passages`, which is not trained on here either.

    Raises:
        EvaluationError: if the path is missing, a line is not a question, or no passage is within the length limits.
    """
    if data.questions_path is None or data.everyday == 0:
        return {}, {}
    examples = load_question_examples(
        data.questions_path, max_context_chars=data.max_context_chars, max_answer_chars=MAX_EVERYDAY_ANSWER_CHARS
    )
    known = [example for example in examples if example.source in KIND_OF_SOURCE]
    train, heldout = (list(map(_normalized, part)) for part in split_by_passage(known))
    reserved = {document for example in heldout_passages for document in example.documents}
    train = [example for example in train if reserved.isdisjoint(example.documents)]
    return by_question_kind(train), by_question_kind(heldout)


def _normalized(example: Example) -> Example:
    """Normalize line breaks and spaces as when reading a document from a file."""
    questions = tuple(
        replace(question, answers=tuple(" ".join(answer.split()) for answer in question.answers))
        for question in example.questions
    )
    return replace(example, documents=tuple(map(join_wrapped_lines, example.documents)), questions=questions)


def _split(examples: Sequence[Example], key: str, path: Path) -> tuple[list[Example], list[Example]]:
    train, heldout = (list(map(_normalized, part)) for part in split_by_passage(examples))
    if not train or not heldout:
        raise ConfigError(
            f"{key} {path} holds only one passage, or rewordings of one; give at least two, so that one can be held out"
        )
    return train, heldout
