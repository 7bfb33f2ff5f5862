"""The loss of a reader."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lorify.hypernets.associative.reader import AnswerLogits


class SpanTargets(NamedTuple):
    """Positions of the answers for (question, document) pairs; none for an unanswerable question.

    Attributes:
        begins: True where an occurrence of the answer begins `[pairs, T]`.
        ends: True where one ends `[pairs, T]`.
        occurrence: for tokens of an occurrence, the index where it begins, else -1 `[pairs, T]`.
    """

    begins: Tensor
    ends: Tensor
    occurrence: Tensor


def answer_span_loss(
    logits: AnswerLogits,
    mask: Tensor,
    question: Tensor,
    targets: SpanTargets,
    num_questions: int,
    *,
    belongs_weight: float,
) -> tuple[Tensor, Tensor]:
    """Compute the loss on the beginnings, ends and tokens of answers.

    The text of an answer may occur several times, and only some occurrences answer the question. Any of them counts as
    its beginning and its end; tokens of an occurrence count as part of the answer in proportion to how likely that
    beginning is. For an unanswerable question no token belongs to an answer, and no beginning or end is learned.

    Args:
        logits: logits of (question, document) pairs.
        mask: True for tokens `[pairs, T]`.
        question: number of each pair's question `[pairs]`; the documents of a question compete.
        targets: where the answers are.
        num_questions: number of questions.
        belongs_weight: weight of the loss of all tokens of an answer.

    Returns:
        Loss of each question: cross-entropies of the beginning and (if the reader finds it) the end of its answer, plus
        `belongs_weight` times the binary cross-entropy of the tokens that belong to it. And whether the most likely
        beginning is right, or, for an unanswerable question, whether every token is more likely not to belong to an
        answer. Both `[questions]`.
    """
    begins = _Choice.of(logits.begins, mask, question, targets.begins, num_questions)
    belongs = targets.occurrence >= 0
    counted = torch.where(belongs, begins.shares(question).gather(1, targets.occurrence.clamp_min(0)), 1.0) * mask
    belongs_loss = F.binary_cross_entropy_with_logits(
        logits.belongs.float(), belongs.float(), weight=counted, reduction="none"
    )
    loss = begins.loss + belongs_weight * _sum_by_question(belongs_loss, question, num_questions)
    if logits.ends is not None:
        loss = loss + _Choice.of(logits.ends, mask, question, targets.ends, num_questions).loss
    most = _max_by_question(logits.belongs.float().masked_fill(~mask, float("-inf")), question, num_questions)
    return loss, torch.where(begins.is_answerable, begins.is_right, most < 0)


class _Choice(NamedTuple):
    """The choice of one token among all documents of a question; several may be right.

    Attributes:
        loss: cross-entropy, 0 without a right token `[questions]`.
        is_right: whether the most likely token is right `[questions]`.
        is_answerable: whether there is a right token `[questions]`.
        right_weights: unnormalized probability of each right token, 0 for others `[pairs, T]`.
        right_sum: their sum over a question `[questions]`.
    """

    loss: Tensor
    is_right: Tensor
    is_answerable: Tensor
    right_weights: Tensor
    right_sum: Tensor

    @classmethod
    def of(cls, logits: Tensor, mask: Tensor, question: Tensor, targets: Tensor, num_questions: int) -> _Choice:
        scores = logits.float().masked_fill(~mask, float("-inf"))
        best = _max_by_question(scores, question, num_questions)
        weights = (scores - best.detach()[question].unsqueeze(1)).exp()
        total = _sum_by_question(weights, question, num_questions)
        right_weights = weights * targets
        right_sum = _sum_by_question(right_weights, question, num_questions).clamp_min(1e-12)
        best_right = _max_by_question(scores.masked_fill(~targets, float("-inf")), question, num_questions)
        is_answerable = best_right > float("-inf")
        loss = torch.where(is_answerable, total.log() - right_sum.log(), 0.0)
        return cls(loss, best_right >= best, is_answerable, right_weights, right_sum)

    def shares(self, question: Tensor) -> Tensor:
        """The share of each right token in the probability of all of them, without gradient `[pairs, T]`."""
        return (self.right_weights / self.right_sum[question].unsqueeze(1)).detach()


def _sum_by_question(x: Tensor, question: Tensor, num_questions: int) -> Tensor:
    return x.new_zeros(num_questions).index_add(0, question, x.sum(-1))


def _max_by_question(x: Tensor, question: Tensor, num_questions: int) -> Tensor:
    return x.new_full((num_questions,), float("-inf")).scatter_reduce(0, question, x.amax(-1), "amax")
