"""Self-generated data on disk: contexts, questions about them, and the base's answers with log-probabilities.

A folder holds `self-generated.json`, which records how the data was generated, and shards `shard-00000.parquet` with
one question per row. Shards are written to a temporary file and renamed, so every shard present is complete. They are
read lazily, because the stored predictions take kilobytes per question.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, overload

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lorify.atomic import replaced_file
from lorify.data.examples import Example, Question
from lorify.data.self_generated.prompts import PromptStyle
from lorify.data.sources.splits import heldout_texts
from lorify.errors import EvaluationError, first_line

FORMAT_VERSION = 1
RECORD_NAME = "self-generated.json"
SOURCE = "self-generated"
CACHED_SHARDS = 64
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
    """The settings that the data of a folder was generated with; a folder never mixes settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = Field(default=FORMAT_VERSION, description="Version of this format.")
    base_name: str = Field(description="Base that answered the questions.")
    base_digest: str = Field(description="SHA-256 of its weights.")
    writer: str = Field(description="Model or data set that the questions come from.")
    documents_digest: str = Field(description="SHA-256 of the documents, in order.")
    top_k: int = Field(gt=0, description="Log-probabilities stored for each token of an answer.")
    rounds: int = Field(gt=0, description="Rounds of questions per context.")
    questions_per_round: int = Field(gt=0, description="Questions requested in each round.")
    short_answers: bool = Field(default=False, description="Every question requests a short answer.")
    contexts_per_shard: int = Field(gt=0, description="Contexts per shard.")
    max_new_tokens: int = Field(gt=0, description="Longest answer, in tokens.")
    prompts: PromptStyle = Field(default="lorify", description="Wording of the requests and of the teacher's prompt.")


@dataclass(frozen=True)
class SelfGeneratedQuestion(Question):
    """A question with the base's answer to it, generated with the context in the prompt.

    Attributes:
        answer_ids: token ids of the answer, including the end-of-turn token unless the answer was cut.
        top_ids: the `top_k` most likely tokens at each position of the answer, flattened.
        top_log_probs: their log-probabilities.
        prompt_ids: token ids of the chat that asks the question without the context; empty if not stored.
    """

    answer_ids: tuple[int, ...] = ()
    top_ids: tuple[int, ...] = ()
    top_log_probs: tuple[float, ...] = ()
    prompt_ids: tuple[int, ...] = ()

    @property
    def top_k(self) -> int:
        """Number of most likely tokens stored for each token of the answer."""
        return len(self.top_ids) // len(self.answer_ids)

    @property
    def least_probability(self) -> float:
        """Probability of the least likely token of the answer; 0 if it is not among the stored predictions."""
        k, lowest = self.top_k, 0.0
        for position, token in enumerate(self.answer_ids):
            top = self.top_ids[position * k : (position + 1) * k]
            if token not in top:
                return 0.0
            lowest = min(lowest, self.top_log_probs[position * k + top.index(token)])
        return round(math.exp(lowest), 3)


def open_folder(folder: Path, wanted: SelfGeneratedRecord) -> None:
    """Create a folder for data with these settings, or check that an existing one has them.

    Raises:
        EvaluationError: if the folder was generated with other settings, or its record is damaged.
    """
    path = folder / RECORD_NAME
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, wanted.model_dump_json(indent=1).encode() + b"\n")
        return
    found = read_record(folder)
    differing = [name for name in type(wanted).model_fields if getattr(found, name) != getattr(wanted, name)]
    if differing:
        name = differing[0]
        raise EvaluationError(
            f"{folder} was generated with {name} {getattr(found, name)!r}, not {getattr(wanted, name)!r}; give another "
            "folder, or the same settings to resume"
        )


def read_record(folder: Path) -> SelfGeneratedRecord:
    """Read how the data of a folder was generated.

    Raises:
        EvaluationError: if the folder holds no self-generated data, or its record is damaged.
    """
    try:
        return SelfGeneratedRecord.model_validate_json((folder / RECORD_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise EvaluationError(
            f"{folder} holds no self-generated data: {RECORD_NAME} is missing; run `lorify generate-data` first"
        ) from error
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise EvaluationError(f"{folder / RECORD_NAME} is damaged; generate the data again") from error


def shard_path(folder: Path, number: int) -> Path:
    """Return the path of a shard in its folder."""
    return folder / f"shard-{number:05d}.parquet"


def write_shard(folder: Path, number: int, examples: Sequence[Example]) -> None:
    """Write one shard atomically; questions that are not `SelfGeneratedQuestion`s are skipped.

    Args:
        folder: folder of the data set.
        number: number of the shard.
        examples: contexts with answered questions.
    """
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
        if isinstance(question, SelfGeneratedQuestion)
    ]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), sink, compression="zstd")
    _write(shard_path(folder, number), sink.getvalue().to_pybytes())


def _write(path: Path, content: bytes) -> None:
    with replaced_file(path) as temporary:
        temporary.write_bytes(content)


def is_complete(path: Path) -> bool:
    """Return whether a shard exists and is not truncated (parquet keeps its schema at the end of the file)."""
    try:
        return pq.read_schema(path).names == _SCHEMA.names
    except (pa.ArrowException, OSError):
        return False


class _ContextRows(NamedTuple):
    """The rows of one context in a shard."""

    path: Path
    first_row: int
    num_rows: int
    top_k: int


class StoredContexts(Sequence[Example]):
    """Contexts with their questions, read from their shards on access; memory holds only the row ranges."""

    def __init__(self, contexts: Sequence[_ContextRows] = ()) -> None:
        """Build from row ranges; use `load_self_generated` to find the ranges in a folder."""
        self._contexts = contexts

    def __len__(self) -> int:
        """Number of contexts."""
        return len(self._contexts)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> StoredContexts: ...
    def __getitem__(self, index: int | slice) -> Example | StoredContexts:
        """Read one context, with source `self-generated` and `SelfGeneratedQuestion`s; a slice reads nothing.

        Raises:
            EvaluationError: if its shard is damaged.
        """
        if isinstance(index, slice):
            return StoredContexts(self._contexts[index])
        path, first_row, num_rows, top_k = self._contexts[index]
        rows = _read_whole_shard(path, path.stat().st_mtime_ns).slice(first_row, num_rows).to_pylist()
        return Example((rows[0]["context"],), tuple(_parse_row(row, top_k, path) for row in rows), SOURCE)

    @property
    def num_questions(self) -> int:
        """Number of questions."""
        return sum(context.num_rows for context in self._contexts)

    @property
    def shards(self) -> list[StoredContexts]:
        """The same contexts, grouped by shard file."""
        return self._grouped(lambda path: path)

    def by_folder(self) -> list[StoredContexts]:
        """The contexts of each folder; each folder is one data set."""
        return self._grouped(lambda path: path.parent)

    def _grouped(self, key: Callable[[Path], Path]) -> list[StoredContexts]:
        groups: dict[Path, list[_ContextRows]] = {}
        for context in self._contexts:
            groups.setdefault(key(context.path), []).append(context)
        return [StoredContexts(contexts) for contexts in groups.values()]

    def question_counts(self) -> list[int]:
        """Number of questions of each context."""
        return [context.num_rows for context in self._contexts]

    def split(self) -> tuple[StoredContexts, StoredContexts]:
        """Split into training and held-out contexts as `split_by_passage` does.

        Raises:
            EvaluationError: if a shard is damaged.
        """
        texts = {
            path: _read_shard(path, ["context"])["context"].to_pylist()
            for path in dict.fromkeys(context.path for context in self._contexts)
        }
        heldout = heldout_texts([texts[context.path][context.first_row] for context in self._contexts])
        chosen = list(zip(self._contexts, heldout, strict=True))
        train = [context for context, is_heldout in chosen if not is_heldout]
        return StoredContexts(train), StoredContexts([context for context, is_heldout in chosen if is_heldout])


def load_self_generated(
    folder: Path, base_digest: str | None = None, *, only: Container[Path] | None = None
) -> StoredContexts:
    """Load the contexts of a folder, or of all self-generated folders in it.

    Args:
        folder: a folder of shards, or a folder that holds several of them, one per data set.
        base_digest: digest of the base to train; None accepts the answers of any base.
        only: the shards to load; None: all.

    Raises:
        EvaluationError: if the folder holds no self-generated data or another base's answers, or a shard is damaged.
    """
    parts = sorted(path.parent for path in folder.glob(f"*/{RECORD_NAME}"))
    if (folder / RECORD_NAME).exists() or not parts:
        parts = [folder]
    if only is not None:
        parts = [part for part in parts if any(path in only for path in part.glob("shard-*.parquet"))]
    return StoredContexts([context for part in parts for context in _find_contexts(part, base_digest, only)])


def _find_contexts(folder: Path, base_digest: str | None, only: Container[Path] | None) -> list[_ContextRows]:
    record = read_record(folder)
    if base_digest is not None and record.base_digest != base_digest:
        raise EvaluationError(
            f"{folder} holds answers of {record.base_name} (weights {record.base_digest[:8]}...), not of the loaded "
            f"base (weights {base_digest[:8]}...); the teacher must be the base itself: generate data with this base"
        )
    found = []
    for path in sorted(folder.glob("shard-*.parquet")):
        if only is not None and path not in only:
            continue
        texts = _read_shard(path, ["context"])["context"].to_pylist()
        starts = [row for row, text in enumerate(texts) if row == 0 or text != texts[row - 1]]
        ends = [*starts[1:], len(texts)]
        found += [_ContextRows(path, first, end - first, record.top_k) for first, end in zip(starts, ends, strict=True)]
    if not found:
        raise EvaluationError(f"{folder} holds no complete shard yet; resume with `lorify generate-data`")
    return found


def _parse_row(row: dict, top_k: int, path: Path) -> SelfGeneratedQuestion:
    lengths = {len(row["top_ids"]), len(row["top_log_probs"]), top_k * len(row["answer_ids"])}
    if len(lengths) > 1 or not row["answer_ids"]:
        raise EvaluationError(
            f"{path} does not have {top_k} predictions per token; delete it and resume with `lorify generate-data`"
        )
    return SelfGeneratedQuestion(
        row["question"],
        (row["answer"],),
        answer_ids=tuple(row["answer_ids"]),
        top_ids=tuple(row["top_ids"]),
        top_log_probs=tuple(row["top_log_probs"]),
    )


@lru_cache(maxsize=CACHED_SHARDS)
def _read_whole_shard(path: Path, _changed_ns: int) -> pa.Table:
    """Read a shard; the most recent ones stay in memory until their files change."""
    return _read_shard(path)


def _read_shard(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a shard, or some of its columns."""
    try:
        names = pq.read_schema(path).names
        if names != _SCHEMA.names:
            raise EvaluationError(f"{path} has columns {', '.join(names)}; expected a shard of `lorify generate-data`")
        return pq.read_table(path, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise EvaluationError(
            f"{path} is damaged ({first_line(error)}); run `lorify generate-data` again to rebuild it"
        ) from error
