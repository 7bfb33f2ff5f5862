"""Find the tokens of the system message that can be overwritten, and fit the `A` that responds only to them.

Shape letters as in `lorify.hypernets.system_prompt.network`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lorify.base.chat.prompts import build_prompt_ids, question_messages
from lorify.base.model import BaseLM
from lorify.base.precision import widest_float
from lorify.errors import HypernetworkError
from lorify.hypernets.system_prompt.description_reader import FIRST_SLOT

FIXED_WEIGHT = 0.3
OTHERS_WEIGHT = 1e-3
RIDGE = 1e-6


def find_slots(base: BaseLM) -> tuple[tuple[int, ...], int]:
    """Find the tokens that every chat of a base begins with.

    Returns:
        The token ids, and how many of them can be overwritten. The first token keeps its state, and so do the tokens
        that end the system turn and begin the user's turn.

    Raises:
        HypernetworkError: if the chat template writes no default system message.
    """

    def start(*messages: dict[str, str]) -> list[int]:
        one, other = (
            build_prompt_ids(base.tokenizer, [*messages, *question_messages(question)]) for question in ("A", "zebra")
        )
        return one[: _common_length(one, other)]

    chat_start = start()
    other_message = start({"role": "system", "content": "?"})
    num_slots = len(chat_start) - _common_length(chat_start[::-1], other_message[::-1]) - FIRST_SLOT
    if num_slots <= 0:
        raise HypernetworkError(
            f"chats of base {base.name} have no default system message that a description could replace; train with "
            "kind task"
        )
    return tuple(chat_start), num_slots


def fit_slots(slots: Tensor, fixed: Tensor, others: Tensor) -> Tensor:
    """Fit `A [k, f]`, whose rows respond to one slot each.

    It is the ridge regression of the identity on the slots' inputs X, with the second moments G of all other inputs as
    the ridge: `argmin |A X^T - I|^2 + tr(A G A^T) = (X G^-1 X^T + I)^-1 X G^-1`.

    Args:
        slots: `[k, f]`, inputs of the linear layer at the slots.
        fixed: `[m, f]`, its inputs at the other tokens that every chat begins with.
        others: `[n, f]`, its inputs at tokens of users and of the base.
    """
    wide = widest_float(slots.device)
    fixed, others = fixed.to(wide), others.to(wide)
    return fit_to_moments(slots, others.T @ others / len(others) + FIXED_WEIGHT * fixed.T @ fixed)


def fit_to_moments(slots: Tensor, moments: Tensor) -> Tensor:
    """Fit `A [k, f]` as `fit_slots` does, given the second moments G of all other inputs `[f, f]`."""
    wide = widest_float(slots.device)
    slots, moments = slots.to(wide), moments.to(wide)
    ridge = OTHERS_WEIGHT * moments
    ridge.diagonal().add_(RIDGE * moments.diagonal().mean())
    solved = torch.linalg.solve(ridge, slots.T)  # G^-1 X^T [f, k]
    identity = torch.eye(len(slots), dtype=slots.dtype, device=slots.device)
    return torch.linalg.solve(slots @ solved + identity, solved.T).float()


def _common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Number of leading tokens that both sequences share."""
    shorter = min(len(one), len(other))
    return next((i for i in range(shorter) if one[i] != other[i]), shorter)
