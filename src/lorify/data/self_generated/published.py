"""Read the training data published by the authors of Doc-to-LoRA (on the hub: SakanaAI/self_gen_qa_d2l), unconverted.

A data set is a folder of parquet files with one context per row, already tokenized:

    ctx_ids                 [tokens]                    the context in the chat of the base, with an empty system turn
    input_ids               [questions][tokens]         a question in the chat of the base, then the base's answer
    response_start_end      [questions][2]              where the answer begins and ends in `input_ids`
    logprobs_indices        [questions][answer][top_k]  the most likely tokens at each position of the answer
    logprobs_vals           [questions][answer][top_k]  their log-probabilities

A row has no question if no answer ended within its limit. Files are read whole, and the most recent ones stay in
memory.

Source: Doc-to-LoRA (arXiv 2602.15902), data/self_generate_qa.py of github.com/SakanaAI/doc-to-lora.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

import pyarrow as pa
import pyarrow.parquet as pq
from transformers import PreTrainedTokenizerBase

from lorify.data.examples import Example
from lorify.data.self_generated.store import SOURCE, SelfGeneratedQuestion
from lorify.errors import EvaluationError, first_line

DEPTHS = {"ctx_ids": 1, "input_ids": 2, "response_start_end": 2, "logprobs_vals": 3, "logprobs_indices": 3}
"""Nesting depth of the lists in each column."""
HELDOUT_SHARE = 0.01
MAX_HELDOUT = 1000
CACHED_FILES = 48
MAX_TRAILING_TOKENS = 2
"""Number of tokens that may follow the end of a context's chat."""
EXPECTED = f"expected the columns {', '.join(DEPTHS)} of the Doc-to-LoRA data"


@dataclass(frozen=True)
class TokenizedContext(Example):
    """A context that is stored as token ids of the base.

    Attributes:
        context_ids: its tokens, without the chat around it.
    """

    context_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class ChatTokens:
    """The chat of the base around stored contexts.

    Attributes:
        tokenizer: the base's tokenizer.
        prefix: token ids before a context, with an empty system turn.
        suffix: token ids after it.
    """

    tokenizer: PreTrainedTokenizerBase
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]


@dataclass(frozen=True)
class PublishedFile:
    """Some consecutive rows of a file.

    Attributes:
        path: the file.
        first_row: the first of the rows.
        num_contexts: number of rows.
        num_questions: number of questions in these rows; estimated if they are only a part of the file.
        chat: the chat of the base.
    """

    path: Path
    first_row: int
    num_contexts: int
    num_questions: int
    chat: ChatTokens

    def __len__(self) -> int:
        """Number of contexts."""
        return self.num_contexts

    def __getitem__(self, index: int) -> TokenizedContext:
        """Read a context.

        Raises:
            EvaluationError: if the file is damaged, or was written for another base.
        """
        return _read_context(_read_table(self.path), self.first_row + index, self)

    def question_counts(self) -> list[int]:
        """Number of questions of each context.

        Raises:
            EvaluationError: if the file is damaged.
        """
        rows = _read_table(self.path)["input_ids"].slice(self.first_row, self.num_contexts)
        return rows.combine_chunks().value_lengths().to_pylist()

    def rows(self, first: int, stop: int) -> PublishedFile:
        """Return the contexts from index `first` up to, but not including, `stop`.

        Its number of questions is estimated from its share of the contexts.
        """
        share = math.ceil(self.num_questions * (stop - first) / max(1, self.num_contexts))
        return PublishedFile(self.path, self.first_row + first, stop - first, share, self.chat)


@dataclass(frozen=True)
class PublishedContexts(Sequence[Example]):
    """The contexts of a data set, read on access.

    Attributes:
        name: its folder, relative to the folder of all sets.
        shards: its files.
    """

    name: str
    shards: tuple[PublishedFile, ...]

    def __len__(self) -> int:
        """Number of contexts."""
        return sum(map(len, self.shards))

    @property
    def num_questions(self) -> int:
        """Number of questions."""
        return sum(shard.num_questions for shard in self.shards)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        """Read one context, or several."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        ends = list(accumulate(map(len, self.shards)))
        index = range(len(self))[index]
        number = bisect_right(ends, index)
        return self.shards[number][index - (ends[number] - len(self.shards[number]))]

    def __iter__(self) -> Iterator[Example]:
        """Read all contexts, file by file."""
        return (shard[i] for shard in self.shards for i in range(len(shard)))

    def split(self) -> tuple[PublishedContexts, PublishedContexts]:
        """Split into training and held-out contexts.

        Files with `val` in their names are held out, as published. If there are none, the last hundredth of the
        contexts is held out: at least one, at most `MAX_HELDOUT`.
        """
        heldout = tuple(shard for shard in self.shards if "val" in shard.path.name)
        if heldout:
            train = tuple(shard for shard in self.shards if "val" not in shard.path.name)
            return PublishedContexts(self.name, train), PublishedContexts(self.name, heldout)
        wanted = min(MAX_HELDOUT, max(1, round(HELDOUT_SHARE * len(self))))
        kept, cut = list(self.shards), []
        while kept and wanted:
            last = kept.pop()
            split = max(0, len(last) - wanted)
            cut.insert(0, last.rows(split, len(last)))
            wanted -= len(last) - split
            if split:
                kept.append(last.rows(0, split))
        return PublishedContexts(self.name, tuple(kept)), PublishedContexts(self.name, tuple(cut))


def is_published(path: Path) -> bool:
    """Return whether a parquet file can be read and has the published columns."""
    try:
        return "ctx_ids" in pq.read_schema(path).names
    except (pa.ArrowException, OSError):
        return False


def load_published(root: Path, paths: Sequence[Path], chat: ChatTokens) -> list[PublishedContexts]:
    """Load files in the published layout; the files in one folder are one data set.

    Args:
        root: folder of all sets, for their names.
        paths: the files.
        chat: the chat of the base.

    Raises:
        EvaluationError: if a file is damaged or has other columns.
    """
    by_folder: dict[Path, list[PublishedFile]] = {}
    for path in sorted(paths):
        by_folder.setdefault(path.parent, []).append(_read_size(path, chat))
    return [PublishedContexts(str(folder.relative_to(root)), tuple(files)) for folder, files in by_folder.items()]


def _read_size(path: Path, chat: ChatTokens) -> PublishedFile:
    """Count contexts and questions from the file's metadata, and check its columns."""
    try:
        metadata = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    schema = metadata.schema.to_arrow_schema()
    missing = [name for name in DEPTHS if name not in schema.names]
    if missing:
        found = ", ".join(schema.names)
        raise EvaluationError(f"{path} lacks the column {missing[0]} (it has {found}); {EXPECTED}")
    for name, depth in DEPTHS.items():
        kind = schema.field(name).type
        for _ in range(depth):
            if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
                raise EvaluationError(f"column {name} of {path} is not nested in {depth} lists; {EXPECTED}")
            kind = kind.value_type
        if not (pa.types.is_floating(kind) if name == "logprobs_vals" else pa.types.is_integer(kind)):
            raise EvaluationError(f"column {name} of {path} holds {kind}; {EXPECTED}")
    num_values = 0
    for group in range(metadata.num_row_groups):
        columns = [metadata.row_group(group).column(i) for i in range(metadata.num_columns)]
        num_values += sum(c.num_values for c in columns if c.path_in_schema.startswith("response_start_end"))
    return PublishedFile(path, 0, metadata.num_rows, num_values // 2, chat)


@lru_cache(maxsize=CACHED_FILES)
def _read_table(path: Path) -> pa.Table:
    try:
        return pq.read_table(path, columns=list(DEPTHS)).combine_chunks()
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> EvaluationError:
    return EvaluationError(f"{path} is damaged ({first_line(error)}); download it again")


def _read_context(table: pa.Table, row: int, file: PublishedFile) -> TokenizedContext:
    chat = file.chat
    inner = _without_chat(tuple(_values(table, "ctx_ids", row)), chat)
    if inner is None:
        raise EvaluationError(
            f"context {row} of {file.path} is not in the chat of the loaded base; give the data of this base"
        )
    parts = [_lists(table, name, row) for name in list(DEPTHS)[1:]]
    if len({len(part) for part in parts}) > 1:
        raise EvaluationError(f"context {row} of {file.path} has columns of different lengths; download it again")
    questions = tuple(_read_question(chat.tokenizer, values, row, file.path) for values in zip(*parts, strict=True))
    text = _decode(chat.tokenizer, inner)
    return TokenizedContext((text,), questions, SOURCE, context_ids=inner)


def _without_chat(ids: tuple[int, ...], chat: ChatTokens) -> tuple[int, ...] | None:
    """Cut a context out of its chat; None if it is not in that chat.

    The authors' template for Mistral ends with a space, unlike the base's own template.
    """
    first, length = len(chat.prefix), len(chat.suffix)
    for end in range(len(ids) - length, len(ids) - length - MAX_TRAILING_TOKENS - 1, -1):
        if ids[:first] == chat.prefix and end >= first and ids[end : end + length] == chat.suffix:
            return ids[first:end]
    return None


def _read_question(
    tokenizer: PreTrainedTokenizerBase, values: Sequence[pa.Array], row: int, path: Path
) -> SelfGeneratedQuestion:
    """Read one question from its `input_ids`, `response_start_end`, `logprobs_vals` and `logprobs_indices`."""
    ids, bounds = values[0].to_pylist(), values[1].to_pylist()
    if len(bounds) != 2 or not 0 < bounds[0] < bounds[1] <= len(ids):
        raise EvaluationError(f"context {row} of {path} has an answer outside of its tokens; download it again")
    start, end = bounds
    log_probs, top_ids = values[2].flatten(), values[3].flatten()
    num_answer = end - start
    if not len(log_probs) == len(top_ids) or len(values[2]) != num_answer or len(top_ids) % num_answer:
        raise EvaluationError(f"context {row} of {path} lacks predictions for an answer; download it again")
    prompt, answer = tuple(ids[:start]), tuple(ids[start:end])
    return SelfGeneratedQuestion(
        _decode(tokenizer, prompt),
        (_decode(tokenizer, answer),),
        answer_ids=answer,
        top_ids=tuple(top_ids.to_pylist()),
        top_log_probs=tuple(log_probs.to_numpy(zero_copy_only=False).astype("float32").tolist()),
        prompt_ids=prompt,
    )


def _decode(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    return str(tokenizer.decode(list(ids), skip_special_tokens=True)).strip()


def _values(table: pa.Table, name: str, row: int) -> list[int]:
    return table[name][row].as_py()


def _lists(table: pa.Table, name: str, row: int) -> list[Any]:
    """Return the arrays in a row, one per question."""
    return [item.values for item in table[name][row].values]
