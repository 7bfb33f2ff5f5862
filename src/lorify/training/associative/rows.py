"""Rows of a training step: the questions that share an adapter, and the adapters of all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from lorify.hypernets.associative.memory import Statistics
from lorify.hypernets.associative.network import AssociativeHypernetwork
from lorify.hypernets.associative.questions.answer_finder import AnswerFinder
from lorify.hypernets.associative.questions.focus import FocusSolver, focus_factors
from lorify.training.associative.batches import Step
from lorify.training.associative.step_memory import StepMemory, mix_statistics
from lorify.training.engine.packing import Segment


@dataclass(frozen=True)
class QuestionRow:
    """Questions that share an adapter.

    Attributes:
        segments: the questions.
        numbers: index of each segment among all segments of the step.
        context: row of the step that the questions are from.
        factors: factor of each token of the step in the focused adapter, 0 outside of its contexts `[tokens]`; None if
            the adapter is not focused.
    """

    segments: Sequence[Segment]
    numbers: Sequence[int]
    context: int
    factors: Tensor | None


def plan_rows(step: Step, memory: StepMemory, finder: AnswerFinder | None) -> list[QuestionRow]:
    """Plan the rows of a step: each question of a focused row gets its own row, after all others.

    Args:
        step: the step.
        memory: its memory.
        finder: finds answers; needed if a row is focused.
    """
    first = list(accumulate((len(row) for row in step.rows), initial=0))
    focused = [(i, j) for i, row in enumerate(step.rows) if step.is_focused[i] for j, s in enumerate(row) if s.question]
    rows: list[QuestionRow] = []
    for i, row in enumerate(step.rows):
        if shared := [j for j in range(len(row)) if (i, j) not in focused]:
            rows.append(QuestionRow([row[j] for j in shared], [first[i] + j for j in shared], i, None))
    if focused:
        assert finder is not None
        questions = [step.rows[i][j].question for i, j in focused]
        factors = _compute_factors(questions, step.mixing[[i for i, _ in focused]], memory, finder)
        for (i, j), own in zip(focused, factors, strict=True):
            rows.append(QuestionRow([step.rows[i][j]], [first[i] + j], i, own))
    return rows


@torch.no_grad()
def _compute_factors(questions: Sequence[str], mixing: Tensor, memory: StepMemory, finder: AnswerFinder) -> Tensor:
    """Factor of each token of a step for each question, 0 outside of its contexts `[questions, tokens]`.

    `mixing [questions, contexts]` is above 0 for the contexts of each question.
    """
    contexts = [row.nonzero().flatten().tolist() for row in mixing]
    found = finder.find(questions, [[memory.document(context) for context in own] for own in contexts])
    factors = torch.zeros(len(questions), memory.num_tokens)
    for row, scores in enumerate(found):
        own = focus_factors([document.belongs for document in scores])
        for context, document in zip(contexts[row], own, strict=True):
            factors[row, memory.token_ranges[context]] = document.cpu()
    return factors.to(memory.keys.device)


def write_rows(
    hypernetwork: AssociativeHypernetwork, step: Step, rows: Sequence[QuestionRow], memory: StepMemory
) -> Tensor:
    """Write the adapters of all rows: `B [L, rows, r, d]`; unfocused rows come first, as in `plan_rows`."""
    mixed = mix_statistics(memory.statistics, step.mixing.to(memory.keys.device))
    unfocused = [row.context for row in rows if row.factors is None]
    parts = [hypernetwork.write(Statistics(mixed.S[:, unfocused], mixed.M[:, unfocused]))] if unfocused else []
    focused = [(row.context, row.factors) for row in rows if row.factors is not None]
    if focused:
        factors = torch.stack([own for _, own in focused])
        top, top_factors = memory.top_tokens(factors)
        solver = FocusSolver(hypernetwork)
        background = solver.background(mixed.S[:, [context for context, _ in focused]], (factors > 0).sum(-1))
        parts.append(solver.write(background, top, top_factors))
    return torch.cat(parts, dim=1)
