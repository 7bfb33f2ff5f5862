"""Public data sets of reading comprehension by name: from the Hugging Face hub, or from a local copy."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorify.data.examples import Example, Question
from lorify.errors import EvaluationError

Row = Mapping[str, Any]
Fields = tuple[str, str, list[str]]
"""Context, question, answers."""


@dataclass(frozen=True)
class PublicSet:
    """Where a data set is and how its rows read.

    Attributes:
        hub_id: its id on the hub.
        split: the split that is asked.
        read: row -> context, question and answers.
        member: file inside `data.zip` of a data set that comes as such an archive.
    """

    hub_id: str
    split: str
    read: Callable[[Row], Fields]
    member: str | None = None


def _read_squad(row: Row) -> Fields:
    return row["context"], row["question"], list(row["answers"]["text"])


def _read_drop(row: Row) -> Fields:
    return row["passage"], row["question"], list(row["answers_spans"]["spans"])


def _read_ropes(row: Row) -> Fields:
    return f"{row['background']}\n\n{row['situation']}", row["question"], list(row["answers"]["text"])


def _read_longbench(row: Row) -> Fields:
    return row["context"], row["input"], list(row["answers"])


_PASSAGE = re.compile(
    r"\s*Passage:\s*(?P<context>.+?)\s*\n\s*Question:\s*(?P<question>.+?)\s*(?:\n\s*Answer:\s*)?", re.S
)


def _longbench(name: str) -> PublicSet:
    return PublicSet("zai-org/LongBench", "test", _read_longbench, member=f"data/{name}.jsonl")


PUBLIC_SETS = {
    "squad": PublicSet("rajpurkar/squad", "validation", _read_squad),
    "drop": PublicSet("ucinlp/drop", "validation", _read_drop),
    "ropes": PublicSet("allenai/ropes", "validation", _read_ropes),
    "2wikimqa": _longbench("2wikimqa"),
    "multifieldqa_en": _longbench("multifieldqa_en"),
    "qasper": _longbench("qasper"),
    "2wikimqa_e": _longbench("2wikimqa_e"),
    "multifieldqa_en_e": _longbench("multifieldqa_en_e"),
    "qasper_e": _longbench("qasper_e"),
}


def load_public_examples(name: str, path: Path | None = None) -> list[Example]:
    """Read a public data set; questions about one passage become one example.

    Args:
        name: one of `PUBLIC_SETS`.
        path: local copy, JSON lines with the data set's own fields; None: the hub.

    Raises:
        EvaluationError: if there is no such data set, it cannot be fetched or read, or a row lacks a field.
    """
    if name not in PUBLIC_SETS:
        raise EvaluationError(f"data set {name!r} is not known; choose from {', '.join(PUBLIC_SETS)}")
    public = PUBLIC_SETS[name]
    rows = _local_rows(path) if path is not None else _hub_rows(public)
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
    return [
        Example((context,), tuple(Question(q, tuple(dict.fromkeys(a))) for q, a in asked.items()), name)
        for context, asked in passages.items()
    ]


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


def _hub_rows(public: PublicSet) -> Iterable[Row]:
    """Rows from the hub; LongBench is an archive of JSON lines, the others are read by `datasets`."""
    offline = (
        f"data set {public.hub_id} cannot be fetched ({{}}); connect to the hub, or give a local copy as "
        "public:dataset=NAME:path=FILE"
    )
    if public.member is not None:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        try:
            archive = hf_hub_download(public.hub_id, "data.zip", repo_type="dataset")
        except (OSError, HfHubHTTPError, LocalEntryNotFoundError) as error:
            raise EvaluationError(offline.format(_first_line(error))) from error
        with zipfile.ZipFile(archive) as files:
            return [json.loads(line) for line in files.read(public.member).splitlines() if line.strip()]
    try:
        from datasets import load_dataset  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise EvaluationError(
            f"data set {public.hub_id} needs the package datasets, which is not installed; run "
            "`pip install 'lorify[datasets]'`, or give a local copy as public:dataset=NAME:path=FILE"
        ) from error
    try:
        return load_dataset(public.hub_id, split=public.split)
    except (OSError, ValueError, RuntimeError) as error:
        raise EvaluationError(offline.format(_first_line(error))) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
