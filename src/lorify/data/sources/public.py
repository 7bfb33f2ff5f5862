"""Public reading-comprehension data sets by name, from the Hugging Face hub or a local copy.

Splits and grouping (all questions about one passage together, in the order of the data set) are those of Doc-to-LoRA's
code (arXiv 2602.15902). FineWeb-Edu is plain text, for which `lorify generate-data` writes questions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from lorify.data.examples import Example, Question
from lorify.data.sources.hub import Row, read_archive, read_dataset
from lorify.data.sources.json_lines import read_json_lines
from lorify.data.sources.questions import Passages, group_by_passage
from lorify.errors import EvaluationError
from lorify.json_text import parse_json

Fields = tuple[str, str, list[str]]
"""Context, question, answers."""


@dataclass(frozen=True)
class QuestionDataset:
    """A public data set of questions.

    Attributes:
        hub_id: its id on the hub.
        split: the split for evaluation.
        read: row -> context, question and answers.
        member: file inside `data.zip`, if the data set is published as such an archive.
        heldout: number of rows of that split for evaluation during training; None if the set is not for training.
        skipped_contexts: number of contexts to skip at the start of the training split.
        is_short: whether answers are a few words, which the question has to request.
    """

    hub_id: str
    split: str
    read: Callable[[Row], Fields]
    member: str | None = None
    heldout: int | None = None
    skipped_contexts: int = 0
    is_short: bool = True


def _read_squad(row: Row) -> Fields:
    return row["context"], row["question"], list(row["answers"]["text"])


def _read_drop(row: Row) -> Fields:
    return row["passage"], row["question"], list(row["answers_spans"]["spans"])


def _read_ropes(row: Row) -> Fields:
    return f"{row['background']}\n{row['situation']}", row["question"], list(row["answers"]["text"])


def _read_pwc(row: Row) -> Fields:
    return row["input"], row["prompt"], [row["answer"]]


def _read_longbench(row: Row) -> Fields:
    return row["context"], row["input"], list(row["answers"])


_PASSAGE = re.compile(
    r"\s*Passage:\s*(?P<context>.+?)\s*\n\s*Question:\s*(?P<question>.+?)\s*(?:\n\s*Answer:\s*)?", re.S
)


def _longbench(name: str) -> QuestionDataset:
    return QuestionDataset("zai-org/LongBench", "test", _read_longbench, member=f"data/{name}.jsonl")


QUESTION_DATASETS = {
    "squad": QuestionDataset("rajpurkar/squad", "validation", _read_squad, heldout=1000, skipped_contexts=180),
    "drop": QuestionDataset("ucinlp/drop", "validation", _read_drop, heldout=900),
    "ropes": QuestionDataset("allenai/ropes", "validation", _read_ropes, heldout=900),
    "pwc": QuestionDataset("sggetao/PwC", "test", _read_pwc, heldout=900, is_short=False),
    "2wikimqa": _longbench("2wikimqa"),
    "multifieldqa_en": _longbench("multifieldqa_en"),
    "qasper": _longbench("qasper"),
    "2wikimqa_e": _longbench("2wikimqa_e"),
    "multifieldqa_en_e": _longbench("multifieldqa_en_e"),
    "qasper_e": _longbench("qasper_e"),
}
TRAINABLE_DATASETS = tuple(name for name, dataset in QUESTION_DATASETS.items() if dataset.heldout is not None)
"""Data sets with a training split."""

TEXT_DATASETS = {"fineweb-edu": "HuggingFaceFW/fineweb-edu"}
"""Data sets of plain texts: name -> id on the hub."""
TEXT_FOLDER = "sample/100BT"
MAX_TEXT_CHARS = 2000
Purpose = Literal["train", "heldout", "test"]


def load_public_examples(name: str, path: Path | None = None, *, purpose: Purpose = "test") -> list[Example]:
    """Load a public data set; questions about one passage become one example.

    Args:
        name: one of `QUESTION_DATASETS`.
        path: local copy with the data set's original fields: a JSON lines file of the split, or a folder that
            `datasets` can read; None loads from the hub.
        purpose: `train` for training, `heldout` for evaluation during training, `test` for all rows of the evaluation
            split.

    Raises:
        EvaluationError: if there is no such data set or split, it cannot be fetched or read, or a row lacks a field.
    """
    dataset = _find_dataset(name)
    if purpose != "test" and dataset.heldout is None:
        raise EvaluationError(f"data set {name} is for evaluation only; train on {', '.join(TRAINABLE_DATASETS)}")
    rows = _read_rows(dataset, path, "train" if purpose == "train" else dataset.split)
    if purpose == "heldout":
        rows = islice(rows, dataset.heldout)
    source = str(path or dataset.hub_id)
    passages: Passages = {}
    for context, question, answers in _parse_rows(rows, name, source):
        passages.setdefault(context, {}).setdefault(question, []).extend(answers)
    if not passages:
        raise EvaluationError(f"{source} gave no questions with answers; give another copy")
    examples = group_by_passage(passages, name)
    return examples[dataset.skipped_contexts :] if purpose == "train" else examples


def load_public_questions(name: str, path: Path | None = None) -> list[Example]:
    """Load each question of an evaluation split as a separate example, in the order of the data set.

    Args:
        name: one of `QUESTION_DATASETS`.
        path: local copy, as in `load_public_examples`.

    Raises:
        EvaluationError: as in `load_public_examples`.
    """
    dataset = _find_dataset(name)
    source = str(path or dataset.hub_id)
    rows = _parse_rows(_read_rows(dataset, path, dataset.split), name, source)
    examples = [
        Example((context.strip(),), (Question(question.strip(), tuple(dict.fromkeys(answers))),), name)
        for context, question, answers in rows
    ]
    if not examples:
        raise EvaluationError(f"{source} gave no questions with answers; give another copy")
    return examples


def _find_dataset(name: str) -> QuestionDataset:
    if name not in QUESTION_DATASETS:
        raise EvaluationError(f"data set {name!r} is not known; choose from {', '.join(QUESTION_DATASETS)}")
    return QUESTION_DATASETS[name]


def _read_rows(dataset: QuestionDataset, path: Path | None, split: str) -> Iterable[Row]:
    if path is not None:
        return read_dataset(str(path), split) if path.is_dir() else (row for _, row in read_json_lines(path))
    if dataset.member is not None:
        return read_archive(dataset.hub_id, dataset.member)
    return read_dataset(dataset.hub_id, split)


def _parse_rows(rows: Iterable[Row], name: str, source: str) -> Iterator[Fields]:
    """Yield the fields of rows that have answers."""
    for number, row in enumerate(rows, start=1):
        try:
            context, question, answers = QUESTION_DATASETS[name].read(row)
        except (KeyError, TypeError) as error:
            raise EvaluationError(
                f"row {number} of {source} is not one of {name}: field {error} is missing or of another "
                "type; give a copy with the data set's original fields"
            ) from error
        if answers:
            yield context, question, answers


def stream_public_texts(name: str, path: Path | None = None) -> Iterator[str]:
    """Stream texts of at most `MAX_TEXT_CHARS` characters (the published limit) from a public data set.

    Args:
        name: one of `TEXT_DATASETS`.
        path: local copy, a folder that `datasets` can read; None streams from the hub.

    Raises:
        EvaluationError: if there is no such data set, it cannot be fetched or read, or a row has no text.
    """
    if name not in TEXT_DATASETS:
        raise EvaluationError(f"data set {name!r} is not known; choose from {', '.join(TEXT_DATASETS)}")
    source = {"path": TEXT_DATASETS[name], "data_dir": TEXT_FOLDER} if path is None else {"path": str(path)}
    for row in read_dataset(**source, split="train", streaming=True):
        text = row.get("text")
        if not isinstance(text, str):
            raise EvaluationError(
                f"{path or TEXT_DATASETS[name]} has a row without `text`; give a copy with its original fields"
            )
        if text.strip() and len(text) <= MAX_TEXT_CHARS:
            yield text


def load_benchmark_examples(path: Path) -> list[Example]:
    """Load questions about passages from a benchmark file: JSON with `instances` of `input` and `outputs`.

    An input has the form `Passage: ... Question: ... Answer:`, as in BoolQ.

    Raises:
        EvaluationError: if the file is not a benchmark file, or its inputs have no passages.
    """
    try:
        document = parse_json(path.read_text(encoding="utf-8"))
        instances = [(item["input"], tuple(item["outputs"])) for item in document["instances"]]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise EvaluationError(
            f"{path} is not a benchmark file ({error}); expected JSON with `instances` of `input` and `outputs`"
        ) from error
    examples = []
    for text, outputs in instances:
        match = _PASSAGE.fullmatch(text)
        if match is not None and outputs:
            examples.append(Example((match["context"],), (Question(match["question"], outputs),), path.stem))
    if not examples:
        raise EvaluationError(f"{path} has no passages to internalize; give a benchmark with passages, such as BoolQ")
    return examples
