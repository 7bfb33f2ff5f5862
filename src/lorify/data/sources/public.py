"""Public data sets of reading comprehension by name: from the Hugging Face hub, or from a local copy.

Splits and compaction (all questions about one passage together, in the order of the data set) are those of Doc-to-LoRA
(arXiv 2602.15902), as its code has them; the data sets it trains on also have their training split here. FineWeb-Edu
is plain text, for which questions have to be written (`lorify generate-data`).
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast

from lorify.data.examples import Example, Question
from lorify.errors import EvaluationError

Row = Mapping[str, Any]
Fields = tuple[str, str, list[str]]
"""Context, question, answers."""


@dataclass(frozen=True)
class QuestionDataset:
    """Where a data set is and how its rows read.

    Attributes:
        hub_id: its id on the hub.
        split: the split that is asked in an evaluation.
        read: row -> context, question and answers.
        member: file inside `data.zip` of a data set that comes as such an archive.
        heldout: how many rows of that split are looked at while training; None for a data set that is not trained on.
        skipped_contexts: how many contexts at the start of the training split are left out.
        is_short: answers are a few words, which the question has to ask for.
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

TRAINABLE_DATASETS = tuple(name for name, public in QUESTION_DATASETS.items() if public.heldout is not None)
"""Data sets with a training split."""
TEXT_DATASETS = {"fineweb-edu": "HuggingFaceFW/fineweb-edu"}
"""Plain texts: the id on the hub."""
TEXT_FOLDER = "sample/100BT"
MAX_TEXT_CHARS = 2000
Purpose = Literal["train", "heldout", "test"]


def load_public_examples(name: str, path: Path | None = None, *, purpose: Purpose = "test") -> list[Example]:
    """Read a public data set; questions about one passage become one example.

    Args:
        name: one of `QUESTION_DATASETS`.
        path: local copy with the data set's own fields: JSON lines, or a folder that `datasets` reads; None: the hub.
        purpose: `train` for the rows to train on, `heldout` for those to look at meanwhile, `test` for all that an
            evaluation may ask. A file holds the rows of the split that is wanted.

    Raises:
        EvaluationError: if there is no such data set or split, it cannot be fetched or read, or a row lacks a field.
    """
    if name not in QUESTION_DATASETS:
        raise EvaluationError(f"data set {name!r} is not known; choose from {', '.join(QUESTION_DATASETS)}")
    public = QUESTION_DATASETS[name]
    if purpose != "test" and public.heldout is None:
        raise EvaluationError(f"data set {name} is for evaluation only; train on {', '.join(TRAINABLE_DATASETS)}")
    split = "train" if purpose == "train" else public.split
    if path is None:
        rows = _archived_rows(public) if public.member is not None else _dataset_rows(public.hub_id, split)
    else:
        rows = _dataset_rows(str(path), split) if path.is_dir() else _local_rows(path)
    if purpose == "heldout":
        rows = islice(rows, public.heldout)
    passages: dict[str, dict[str, list[str]]] = {}
    for number, row in enumerate(rows, start=1):
        try:
            context, question, answers = public.read(row)
        except (KeyError, TypeError) as error:
            raise EvaluationError(
                f"row {number} of {path or public.hub_id} is not one of {name}: field {error} is missing or of another "
                "kind; give a copy with the data set's own fields"
            ) from error
        if answers:
            passages.setdefault(context, {}).setdefault(question, []).extend(answers)
    if not passages:
        raise EvaluationError(f"{path or public.hub_id} gave no questions with answers; give another copy")
    examples = [
        Example((context,), tuple(Question(q, tuple(dict.fromkeys(a))) for q, a in asked.items()), name)
        for context, asked in passages.items()
    ]
    return examples[public.skipped_contexts :] if purpose == "train" else examples


def stream_public_texts(name: str, path: Path | None = None) -> Iterator[str]:
    """Texts of a public data set of at most `MAX_TEXT_CHARS` characters, as published; nothing is kept.

    Args:
        name: one of `TEXT_DATASETS`.
        path: local copy, a folder that `datasets` reads; None: the hub.

    Raises:
        EvaluationError: if there is no such data set, it cannot be fetched or read, or a row has no text.
    """
    if name not in TEXT_DATASETS:
        raise EvaluationError(f"data set {name!r} is not known; choose from {', '.join(TEXT_DATASETS)}")
    source = {"path": TEXT_DATASETS[name], "data_dir": TEXT_FOLDER} if path is None else {"path": str(path)}
    for row in _dataset_rows(**source, split="train", streaming=True):
        text = row.get("text")
        if not isinstance(text, str):
            raise EvaluationError(
                f"{path or TEXT_DATASETS[name]} has a row without `text`; give a copy with its own fields"
            )
        if text.strip() and len(text) <= MAX_TEXT_CHARS:
            yield text


def load_benchmark_examples(path: Path) -> list[Example]:
    """Questions about passages from a benchmark file: JSON with `instances` of `input` and `outputs`.

    An input reads `Passage: ... Question: ... Answer:`, as that of BoolQ.

    Raises:
        EvaluationError: if the file is none, or its inputs have no passages.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        instances = [(item["input"], tuple(item["outputs"])) for item in document["instances"]]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise EvaluationError(
            f"{path} is no benchmark file ({error}); expected JSON with `instances` of `input` and `outputs`"
        ) from error
    examples = []
    for text, outputs in instances:
        match = _PASSAGE.fullmatch(text)
        if match is not None and outputs:
            examples.append(Example((match["context"],), (Question(match["question"], outputs),), path.stem))
    if not examples:
        raise EvaluationError(f"{path} has no passages, so there is nothing to internalize; give one such as BoolQ")
    return examples


def _local_rows(path: Path) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines if line.strip())
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read ({error.strerror}); give a JSON lines file") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path} is no JSON lines file ({error}); expected one JSON object a line") from error


def _archived_rows(public: QuestionDataset) -> Iterable[Row]:
    """Rows of LongBench, which is an archive of JSON lines."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    assert public.member is not None
    try:
        archive = hf_hub_download(public.hub_id, "data.zip", repo_type="dataset")
    except (OSError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise _not_fetched(public.hub_id, error) from error
    with zipfile.ZipFile(archive) as files:
        return [json.loads(line) for line in files.read(public.member).splitlines() if line.strip()]


def _dataset_rows(path: str, split: str, *, data_dir: str | None = None, streaming: bool = False) -> Iterator[Row]:
    """Rows of a split, read by `datasets` from the hub or from a folder."""
    try:
        from datasets import load_dataset  # pyright: ignore[reportMissingImports]
        from datasets.exceptions import DatasetsError  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise EvaluationError(
            f"data set {path} needs the package datasets, which is not installed; run "
            "`pip install 'lorify[datasets]'`, or give a local copy in JSON lines"
        ) from error
    try:
        yield from cast(Iterable[Row], load_dataset(path, data_dir=data_dir, split=split, streaming=streaming))
    except (OSError, ValueError, RuntimeError, DatasetsError) as error:
        raise _not_fetched(path, error) from error


def _not_fetched(source: str, error: Exception) -> EvaluationError:
    return EvaluationError(
        f"data set {source} cannot be read ({_first_line(error)}); connect to the hub, or give a whole local copy"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
