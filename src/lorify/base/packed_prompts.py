"""Several prompts with their answers in one sequence, in which they share their common prefix.

The sequence is `[prefix][prompt 1 + answer 1][prompt 2 + answer 2] ...`. A token attends to the prefix and to its own
prompt, never to another one, and positions continue those of the prefix. Bases with recurrent layers cannot do this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

PADDING, PREFIX = -1, 0


@dataclass(frozen=True)
class PackedPrompts:
    """One sequence of prompts and answers.

    Attributes:
        ids: token ids.
        positions: position of each token.
        owners: what each token belongs to: `PREFIX`, or the number of its prompt, starting at 1.
        answers: for each prompt, the index of its answer's first token, and the answer.
    """

    ids: list[int]
    positions: list[int]
    owners: list[int]
    answers: list[tuple[int, tuple[int, ...]]]


def common_prefix(sequences: Sequence[Sequence[int]]) -> int:
    """Count the leading tokens that all sequences share; at least one token of each is left out."""
    limit = min(len(sequence) for sequence in sequences) - 1
    first = sequences[0]
    return next((i for i in range(limit) if any(s[i] != first[i] for s in sequences)), limit)


def pack_prompts(prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> PackedPrompts:
    """Put prompts and their answers into one sequence."""
    prefix = common_prefix(prompts)
    packed = PackedPrompts(list(prompts[0][:prefix]), list(range(prefix)), [PREFIX] * prefix, [])
    for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True), start=1):
        body = [*prompt[prefix:], *answer]
        packed.answers.append((len(packed.ids) + len(prompt) - prefix, tuple(answer)))
        packed.ids.extend(body)
        packed.positions.extend(range(prefix, prefix + len(body)))
        packed.owners.extend([number] * len(body))
    return packed


def allowed_attention(owners: Tensor, rows: Tensor) -> Tensor:
    """Which tokens may attend to which: each attends to earlier tokens of its prompt and of the prefix in the same row.

    Args:
        owners: owner of each token `[sequences, tokens]`.
        rows: row of each token `[sequences, tokens]`; a sequence may hold several rows.

    Returns:
        True where attention is allowed `[sequences, 1, tokens, tokens]`.
    """
    same = (owners.unsqueeze(2) == owners.unsqueeze(1)) | (owners == PREFIX).unsqueeze(1)
    return (same & (rows.unsqueeze(2) == rows.unsqueeze(1))).tril().unsqueeze(1)
