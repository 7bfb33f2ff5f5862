"""Self-generated data on disk: contexts, questions about them, and the base's own answers with its log-probabilities.

A folder holds `self-generated.json`, which says what made it, and shards `shard-00000.parquet` of one question a row.
A shard is written beside its place and renamed into it: what is there is whole, and a run goes on with the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel as PydanticModel
from pydantic import ConfigDict, Field, ValidationError

from lorify.atomic import replaced_file
from lorify.data.examples import Example, Question
from lorify.errors import EvaluationError

FORMAT_VERSION = 1
RECORD_NAME = "self-generated.json"
SOURCE = "self-generated"
_SCHEMA = pa.schema(
    {
        "context": pa.string(),
        "question": pa.string(),
        "answer": pa.string(),
        "answer_ids": pa.list_(pa.int32()),
        "top_ids": pa.list_(pa.int32()),
        "top_log_probs": pa.list_(pa.float32()),
    }
)


class SelfGeneratedRecord(PydanticModel):
    """What made a folder; shards of other settings do not go into it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = Field(default=FORMAT_VERSION, description="Version of this format.")
    base_name: str = Field(description="Base whose answers these are.")
    base_digest: str = Field(description="SHA-256 of its weights.")
    writer: str = Field(description="What wrote the questions.")
    documents_digest: str = Field(description="SHA-256 of the documents, in order.")
    top_k: int = Field(gt=0, description="Log-probabilities kept of each token of an answer.")
    rounds: int = Field(gt=0, description="Rounds of questions a context.")
    questions_per_round: int = Field(gt=0, description="Questions asked for in each.")
    contexts_per_shard: int = Field(gt=0, description="Contexts a shard.")
    max_new_tokens: int = Field(gt=0, description="Longest answer, in tokens.")


@dataclass(frozen=True)
class TaughtQuestion(Question):
    """A question with the base's own answer to it, given with the context in the prompt.

    Attributes:
        answer_ids: token ids of the answer, with the end of the turn unless it was cut.
        top_ids: the likeliest tokens at each of them, `top_k` a token, one after the other.
        top_log_probs: their log-probabilities.
    """

    answer_ids: tuple[int, ...] = ()
    top_ids: tuple[int, ...] = ()
    top_log_probs: tuple[float, ...] = ()

    @property
    def top_k(self) -> int:
        """Predictions kept of each token."""
        return len(self.top_ids) // len(self.answer_ids)


def open_folder(folder: Path, wanted: SelfGeneratedRecord) -> int:
    """Begin a folder, or go on with it.

    Returns:
        The number of the first shard that is missing.

    Raises:
        EvaluationError: if it was made with other settings, or is damaged.
    """
    path = folder / RECORD_NAME
    if path.exists():
        found = read_record(folder)
        differing = [name for name in type(wanted).model_fields if getattr(found, name) != getattr(wanted, name)]
        if differing:
            name = differing[0]
            raise EvaluationError(
                f"{folder} was made with {name} {getattr(found, name)!r}, not {getattr(wanted, name)!r}; give another "
                "folder, or the same settings to go on"
            )
    else:
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, wanted.model_dump_json(indent=1).encode() + b"\n")
    number = 0
    while shard_path(folder, number).exists():
        number += 1
    return number


def read_record(folder: Path) -> SelfGeneratedRecord:
    """What made a folder.

    Raises:
        EvaluationError: if the folder holds no such data, or its record is damaged.
    """
    try:
        return SelfGeneratedRecord.model_validate_json((folder / RECORD_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise EvaluationError(
            f"{folder} holds no self-generated data: {RECORD_NAME} is missing; make it with `lorify data`"
        ) from error
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise EvaluationError(f"{folder / RECORD_NAME} is damaged; make the data again") from error


def shard_path(folder: Path, number: int) -> Path:
    """Place of a shard."""
    return folder / f"shard-{number:05d}.parquet"


def write_shard(folder: Path, number: int, examples: Sequence[Example]) -> None:
    """Write one shard of examples whose questions are `TaughtQuestion`s; it is there whole or not at all."""
    rows = [
        {
            "context": example.documents[0],
            "question": question.text,
            "answer": question.answers[0],
            "answer_ids": question.answer_ids,
            "top_ids": question.top_ids,
            "top_log_probs": question.top_log_probs,
        }
        for example in examples
        for question in example.questions
        if isinstance(question, TaughtQuestion)
    ]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), sink, compression="zstd")
    _write(shard_path(folder, number), sink.getvalue().to_pybytes())


def _write(path: Path, content: bytes) -> None:
    with replaced_file(path) as temporary:
        temporary.write_bytes(content)


def load_self_generated(folder: Path, base_digest: str | None = None) -> list[Example]:
    """Read all shards of a folder, or of the folders in it.

    Args:
        folder: where they are; it may hold several such folders, one for each data set.
        base_digest: of the base that is to learn from it; None to take any base's answers.

    Returns:
        One example a context, in order, with `TaughtQuestion`s and source `self-generated`.

    Raises:
        EvaluationError: if the folder holds no such data, a shard is damaged, or it holds another base's answers.
    """
    parts = sorted(path.parent for path in folder.glob(f"*/{RECORD_NAME}"))
    if parts and not (folder / RECORD_NAME).exists():
        return [example for part in parts for example in load_self_generated(part, base_digest)]
    record = read_record(folder)
    if base_digest is not None and record.base_digest != base_digest:
        raise EvaluationError(
            f"{folder} holds answers of {record.base_name} (weights {record.base_digest[:8]}...), not of the loaded "
            f"base (weights {base_digest[:8]}...); the teacher has to be the base itself: make its own data"
        )
    questions: dict[str, list[Question]] = {}
    for path in sorted(folder.glob("shard-*.parquet")):
        for row in _read_shard(path):
            lengths = {len(row["top_ids"]), len(row["top_log_probs"]), record.top_k * len(row["answer_ids"])}
            if len(lengths) > 1 or not row["answer_ids"]:
                raise EvaluationError(f"{path} does not have {record.top_k} predictions a token; delete it and go on")
            questions.setdefault(row["context"], []).append(
                TaughtQuestion(
                    row["question"],
                    (row["answer"],),
                    tuple(row["answer_ids"]),
                    tuple(row["top_ids"]),
                    tuple(row["top_log_probs"]),
                )
            )
    if not questions:
        raise EvaluationError(f"{folder} holds no whole shard yet; go on with `lorify data`")
    return [Example((context,), tuple(asked), SOURCE) for context, asked in questions.items()]


def _read_shard(path: Path) -> list[dict]:
    try:
        table = pq.read_table(path)
        if table.schema.names != _SCHEMA.names:
            raise EvaluationError(f"{path} has columns {', '.join(table.schema.names)}; it is of another program")
        return table.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise EvaluationError(
            f"{path} is damaged ({str(error).splitlines()[0]}); delete it and make it again with `lorify data`"
        ) from error
