"""Answers from a list: the probability of each choice, instead of free text.

The probability of a choice is that of its tokens and of a stop token after them, normalized over the choices. Whether
an answer begins with a space depends on the adapter, so both forms of a choice count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lorify.answering.plan import AnswerPlan
from lorify.answering.teacher_forcing import teacher_forced_log_probabilities
from lorify.base.model import BaseLM
from lorify.errors import RequestError

MAX_CHOICES = 200
BATCH_TOKENS = 8192
"""Maximum number of tokens of a forward pass, padding included."""


@dataclass(frozen=True)
class Choice:
    """A choice and the probability that it is the answer, given that one of the choices is."""

    text: str
    probability: float


def check_choices(choices: Sequence[str]) -> None:
    """Check that there is something to choose from.

    Raises:
        RequestError: if there are fewer than two or too many choices, or one is empty or given twice.
    """
    if not 2 <= len(choices) <= MAX_CHOICES:
        found = "there is 1 choice" if len(choices) == 1 else f"there are {len(choices)} choices"
        raise RequestError(f"{found}; give between 2 and {MAX_CHOICES}", param="choices")
    seen: set[str] = set()
    for choice in (choice.strip() for choice in choices):
        if not choice:
            raise RequestError("a choice is empty; give each one a text", param="choices")
        if choice in seen:
            raise RequestError(f"the choice {choice!r} is given twice; give it once", param="choices")
        seen.add(choice)


def rank_choices(base: BaseLM, plan: AnswerPlan, choices: Sequence[str]) -> list[Choice]:
    """Compute the probability of each choice as the answer to a planned question.

    Args:
        base: the base.
        plan: the prompt, and the adapters that are on.
        choices: different texts; white space at their ends is ignored.

    Returns:
        The choices, the most probable one first.

    Raises:
        RequestError: if the choices are not valid (see `check_choices`), or prompt and choice exceed the base's window.
    """
    check_choices(choices)
    texts = [choice.strip() for choice in choices]
    targets = [base.encode_text(form) for text in texts for form in (text, f" {text}")]
    longest = len(plan.prompt_ids) + max(map(len, targets))
    if longest > base.window_tokens:
        raise RequestError(
            f"prompt and choice have {longest} tokens, the base takes {base.window_tokens}; shorten one of them",
            param="choices",
        )
    scores = torch.cat([_log_probabilities(base, plan, batch) for batch in _batches(targets, longest)])
    total = scores.view(-1, 2).logsumexp(-1).softmax(0)  # [choices]
    ranked = sorted(zip(texts, total.tolist(), strict=True), key=lambda pair: -pair[1])
    return [Choice(text, probability) for text, probability in ranked]


def _batches(targets: Sequence[Sequence[int]], row_tokens: int) -> Iterator[Sequence[Sequence[int]]]:
    size = max(1, BATCH_TOKENS // row_tokens)
    for start in range(0, len(targets), size):
        yield targets[start : start + size]


def _log_probabilities(base: BaseLM, plan: AnswerPlan, targets: Sequence[Sequence[int]]) -> Tensor:
    """Log-probability of each target, followed by a stop token, after the prompt `[targets]`."""
    stops = sorted(base.stop_ids)
    scores = []
    for log, target in zip(teacher_forced_log_probabilities(base, plan, targets), targets, strict=True):
        tokens = log[:-1].gather(1, torch.tensor(target, device=log.device)[:, None]).sum()
        scores.append(tokens + log[-1, stops].logsumexp(0))
    return torch.stack(scores)
