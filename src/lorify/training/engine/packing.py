"""One row per context: all its questions share one sequence, one adapter and one copy of the prompt's prefix.

A row is `[common prefix][question 1 + answer 1][question 2 + answer 2] ...`. A question attends to the prefix and to
itself, never to other questions, and its positions continue those of the prefix. The results are the same as with one
sequence per question, with a fraction of the tokens. Rows are either padded to the longest one, or joined in a single
sequence without padding, where no row attends to another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from lorify.base.lora import LoraBatch, select_rows
from lorify.base.model import BaseLM
from lorify.base.packed_prompts import PADDING, allowed_attention, pack_prompts


@dataclass(frozen=True)
class Segment:
    """A prompt and the answer to learn.

    Attributes:
        prompt: token ids of the chat prompt, without the context.
        answer: token ids of the answer, including the end-of-turn token.
        teacher_prompt: token ids of the teacher's prompt (with the context, or without one for questions whose answer
            the adapter must not change); None if the answer itself is the target.
        answer_positions: for each of the first answer tokens, all its positions (chunk of the step, index in the chunk)
            where the whole answer occurs. Empty if the context does not contain the answer word for word.
        question: the question alone; empty if the prompt asks nothing about the context.
    """

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    teacher_prompt: tuple[int, ...] | None = None
    answer_positions: tuple[tuple[tuple[int, int], ...], ...] = ()
    question: str = ""


@dataclass(frozen=True)
class PackedRows:
    """A batch of packed rows.

    Attributes:
        input_ids: `[sequences, tokens]`; a sequence is one row, or all of them.
        position_ids: `[sequences, tokens]`.
        attention_mask: `[sequences, 1, tokens, tokens]`, True where a token may attend.
        row: `[sequences, tokens]` index of the row that each token belongs to.
        predict: `[answers, 2]` sequence and token index before each answer token, for all answers in order.
        targets: `[answers]` the answer tokens.
        segment: `[answers]` index of each answer token's segment, counted over the whole batch.
    """

    input_ids: Tensor
    position_ids: Tensor
    attention_mask: Tensor
    row: Tensor
    predict: Tensor
    targets: Tensor
    segment: Tensor

    @property
    def is_shared(self) -> bool:
        """Return whether a sequence holds more than one segment."""
        return int(self.segment.max()) >= len(self.input_ids)

    def to(self, device: torch.device) -> PackedRows:
        """Copy the rows to a device."""
        return PackedRows(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


def split_rows(
    base: BaseLM, rows: Sequence[Sequence[Segment]], lora: LoraBatch | None
) -> tuple[Sequence[Sequence[Segment]], LoraBatch | None]:
    """Give each segment its own row if the base has recurrent layers, which cannot keep packed segments apart.

    Args:
        base: the base.
        rows: the segments of each row.
        lora: updates of the rows.

    Returns:
        The rows and their updates; unchanged for any other base.
    """
    if not base.is_recurrent:
        return rows, lora
    source = [number for number, row in enumerate(rows) for _ in row]
    return [[segment] for row in rows for segment in row], select_rows(lora, torch.tensor(source, device=base.device))


def pack_rows(rows: Sequence[Sequence[Segment]], *, teacher: bool = False, joined: bool = False) -> PackedRows:
    """Concatenate the segments of each row behind their common prefix; see the module docstring.

    Args:
        rows: the segments of each row.
        teacher: use the teacher's prompts, and the student's for segments without one.
        joined: put all rows in one sequence without padding, instead of one padded sequence each.

    Returns:
        The batch, on the CPU.
    """
    packed = [
        pack_prompts([(s.teacher_prompt if teacher else s.prompt) or s.prompt for s in row], [s.answer for s in row])
        for row in rows
    ]
    sizes = [len(row.ids) for row in packed]
    # Sequence and token index at which each row begins.
    starts = (
        [(0, start) for start in accumulate(sizes[:-1], initial=0)] if joined else [(i, 0) for i in range(len(rows))]
    )
    shape = (1, sum(sizes)) if joined else (len(rows), max(sizes))
    input_ids, position_ids = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    owner = torch.full(shape, PADDING)
    row_of_token = torch.zeros(shape, dtype=torch.long)
    predict, targets, segment, first_segment = [], [], [], 0
    for number, (row, (index, first)) in enumerate(zip(packed, starts, strict=True)):
        span = (index, slice(first, first + len(row.ids)))
        input_ids[span] = torch.tensor(row.ids)
        position_ids[span] = torch.tensor(row.positions)
        owner[span] = torch.tensor(row.owners)
        row_of_token[span] = number
        for of_row, (start, answer) in enumerate(row.answers):
            predict += [(index, first + start - 1 + i) for i in range(len(answer))]
            targets += answer
            segment += [first_segment + of_row] * len(answer)
        first_segment += len(row.answers)
    return PackedRows(
        input_ids,
        position_ids,
        allowed_attention(owner, row_of_token),
        row_of_token,
        torch.tensor(predict),
        torch.tensor(targets),
        torch.tensor(segment),
    )


def split_by_length(lengths: Sequence[int], num_groups: int) -> list[list[int]]:
    """Split indices into at most `num_groups` groups of similar length, so that batches have little padding."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    if len(set(lengths)) == 1:
        return [order]
    size = math.ceil(len(order) / num_groups)
    return [order[start : start + size] for start in range(0, len(order), size)]
