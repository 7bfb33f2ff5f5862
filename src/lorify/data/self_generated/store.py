"""Self-generated data on disk: contexts, questions about them, and the base's own answers with its log-probabilities.

A folder holds `self-generated.json`, which says what made it, and shards `shard-00000.parquet` of one question a row.
A shard is written beside its place and renamed into it: what is there is whole, and a run makes those that are missing.
Shards are read as they are needed: what the teacher said of a context takes kilobytes a question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lorify.atomic import replaced_file
from lorify.data.examples import Example, Question
from lorify.data.sources.questions import heldout_texts
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


class SelfGeneratedRecord(BaseModel):
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
    short_answers: bool = Field(default=False, description="Every question asks for a short answer.")
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


def open_folder(folder: Path, wanted: SelfGeneratedRecord) -> None:
    """Begin a folder, or go on with it.

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


class StoredContexts(Sequence[Example]):
    """The contexts of some shards with their questions, each read when it is asked for.

    Of a context only its place is in memory, whatever its size: (path of the shard, first row, number of rows, top k).
    """

    def __init__(self, places: Sequence[tuple[Path, int, int, int]] = ()) -> None:
        """The contexts at these places."""
        self._places = places

    def __len__(self) -> int:
        """Number of contexts."""
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> StoredContexts: ...
    def __getitem__(self, index: int | slice) -> Example | StoredContexts:
        """Read one context with its `TaughtQuestion`s, its source `self-generated`; or choose some.

        Raises:
            EvaluationError: if its shard is damaged.
        """
        if isinstance(index, slice):
            return StoredContexts(self._places[index])
        path, first, count, top_k = self._places[index]
        rows = _read_shard(path).slice(first, count).to_pylist()
        return Example((rows[0]["context"],), tuple(_taught(row, top_k, path) for row in rows), SOURCE)

    def split(self) -> tuple[StoredContexts, StoredContexts]:
        """Those to train on and those that are held out, as `split_by_passage`.

        Raises:
            EvaluationError: if a shard is damaged.
        """
        texts: dict[Path, list[str]] = {}
        for path in dict.fromkeys(place[0] for place in self._places):
            texts[path] = _read_shard(path, ["context"])["context"].to_pylist()
        heldout = heldout_texts([texts[path][first] for path, first, _, _ in self._places])
        chosen = list(zip(self._places, heldout, strict=True))
        train = [place for place, is_heldout in chosen if not is_heldout]
        return StoredContexts(train), StoredContexts([place for place, is_heldout in chosen if is_heldout])


def load_self_generated(folder: Path, base_digest: str | None = None) -> StoredContexts:
    """Find the contexts of all shards of a folder, or of the folders in it.

    Args:
        folder: where they are; it may hold several such folders, one for each data set.
        base_digest: of the base that is to learn from it; None to take any base's answers.

    Raises:
        EvaluationError: if the folder holds no such data, a shard is damaged, or it holds another base's answers.
    """
    parts = sorted(path.parent for path in folder.glob(f"*/{RECORD_NAME}"))
    if (folder / RECORD_NAME).exists() or not parts:
        parts = [folder]
    return StoredContexts([place for part in parts for place in _places(part, base_digest)])


def _places(folder: Path, base_digest: str | None) -> list[tuple[Path, int, int, int]]:
    record = read_record(folder)
    if base_digest is not None and record.base_digest != base_digest:
        raise EvaluationError(
            f"{folder} holds answers of {record.base_name} (weights {record.base_digest[:8]}...), not of the loaded "
            f"base (weights {base_digest[:8]}...); the teacher has to be the base itself: make its own data"
        )
    places = []
    for path in sorted(folder.glob("shard-*.parquet")):
        contexts = _read_shard(path, ["context"])["context"].to_pylist()
        starts = [row for row, text in enumerate(contexts) if row == 0 or text != contexts[row - 1]]
        ends = [*starts[1:], len(contexts)]
        places += [(path, first, end - first, record.top_k) for first, end in zip(starts, ends, strict=True)]
    if not places:
        raise EvaluationError(f"{folder} holds no whole shard yet; go on with `lorify data`")
    return places


def _taught(row: dict, top_k: int, path: Path) -> TaughtQuestion:
    lengths = {len(row["top_ids"]), len(row["top_log_probs"]), top_k * len(row["answer_ids"])}
    if len(lengths) > 1 or not row["answer_ids"]:
        raise EvaluationError(
            f"{path} does not have {top_k} predictions a token; delete it and go on with `lorify data`"
        )
    return TaughtQuestion(
        row["question"], (row["answer"],), tuple(row["answer_ids"]), tuple(row["top_ids"]), tuple(row["top_log_probs"])
    )


def is_whole(path: Path) -> bool:
    """Whether a shard is there, and its end too."""
    try:
        return pq.read_schema(path).names == _SCHEMA.names
    except (pa.ArrowException, OSError):
        return False


def _read_shard(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A shard, or some columns of it."""
    try:
        names = pq.read_schema(path).names
        if names != _SCHEMA.names:
            raise EvaluationError(f"{path} has columns {', '.join(names)}; it is of another program")
        return pq.read_table(path, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise EvaluationError(
            f"{path} is damaged ({str(error).splitlines()[0]}); run `lorify data` again, which makes it anew"
        ) from error
