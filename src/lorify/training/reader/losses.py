"""The loss of a reader."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lorify.hypernets.associative.reader import AnswerLogits


def answer_span_loss(
    logits: AnswerLogits,
    mask: Tensor,
    question: Tensor,
    begins: Tensor,
    occurrence: Tensor,
    num_questions: int,
    *,
    belongs_weight: float,
) -> tuple[Tensor, Tensor]:
    """Compute how well the beginnings and the tokens of answers are predicted.

    The text of an answer may occur several times, and only some occurrences answer the question. Any of them counts as
    its beginning; tokens of an occurrence count as part of the answer in proportion to how likely that beginning is.
    To an unanswerable question no token belongs, and nothing is learned about where its answer begins.

    Args:
        logits: of pairs of a question and a document.
        mask: True for tokens `[pairs, T]`.
        question: number of each pair's question `[pairs]`; the documents of a question compete.
        begins: True where the answer begins `[pairs, T]`; nowhere for an unanswerable question.
        occurrence: for tokens of an occurrence the index where it begins, else -1 `[pairs, T]`.
        num_questions: number of questions.
        belongs_weight: weight of the second loss.

    Returns:
        Loss of each question: cross-entropy of the beginning of its answer, plus `belongs_weight` times the binary
        cross-entropy of the tokens that belong to it. And whether the most likely beginning is right, or for an
        unanswerable question, whether every token more likely does not belong to an answer. Both `[questions]`.
    """
    scores = logits.begins.float().masked_fill(~mask, float("-inf"))
    best = _max_by_question(scores, question, num_questions)
    weights = (scores - best.detach()[question].unsqueeze(1)).exp()
    total = _sum_by_question(weights, question, num_questions)
    right = _sum_by_question(weights * begins, question, num_questions).clamp_min(1e-12)
    share = (weights * begins / right[question].unsqueeze(1)).detach()  # of each occurrence
    belongs = occurrence >= 0
    counted = torch.where(belongs, share.gather(1, occurrence.clamp_min(0)), 1.0) * mask
    belongs_loss = F.binary_cross_entropy_with_logits(
        logits.belongs.float(), belongs.float(), weight=counted, reduction="none"
    )
    best_right = _max_by_question(scores.masked_fill(~begins, float("-inf")), question, num_questions)
    is_answerable = best_right > float("-inf")
    begins_loss = torch.where(is_answerable, total.log() - right.log(), 0.0)
    loss = begins_loss + belongs_weight * _sum_by_question(belongs_loss, question, num_questions)
    most = _max_by_question(logits.belongs.float().masked_fill(~mask, float("-inf")), question, num_questions)
    return loss, torch.where(is_answerable, best_right >= best, most < 0)


def _sum_by_question(x: Tensor, question: Tensor, num_questions: int) -> Tensor:
    return x.new_zeros(num_questions).index_add(0, question, x.sum(-1))


def _max_by_question(x: Tensor, question: Tensor, num_questions: int) -> Tensor:
    return x.new_full((num_questions,), float("-inf")).scatter_reduce(0, question, x.amax(-1), "amax")
