"""KL of the student to the teacher, with stored or new predictions of the teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from lorify.base.model import BaseLM
from lorify.data.self_generated.store import SelfGeneratedQuestion
from lorify.training.doc_to_lora.batches import ContextRow
from lorify.training.engine.losses import answer_logits, top_k_kl_per_token
from lorify.training.engine.packing import pack_rows


def kl_to_teacher(
    base: BaseLM,
    logits: Tensor,
    rows: Sequence[ContextRow],
    segment: Tensor,
    *,
    top_k: int,
    autocast: Callable[[], AbstractContextManager[object]],
    always_runs: bool = False,
) -> Tensor:
    """Compute KL(teacher || student) of each answer token `[answers]`.

    Args:
        base: the teacher, which reads the context in its prompt.
        logits: the student's, at all answer tokens `[answers, vocabulary]`.
        rows: contexts with questions; the teacher's answers to some questions may be stored.
        segment: index of the question that each answer token belongs to `[answers]`.
        top_k: number of teacher predictions per token if they are not stored.
        autocast: precision in which the teacher is run.
        always_runs: run the teacher even if all its answers are stored, because other processes may need to run a base
            that is sharded over all of them.
    """
    teacher_answers = [question for row in rows for question in row.teacher_answers]
    per_token = logits.new_zeros(len(logits))
    is_stored = torch.tensor([question is not None for question in teacher_answers], device=logits.device)[segment]
    stored = [question for question in teacher_answers if question is not None]
    if stored:
        per_token = per_token.masked_scatter(is_stored, stored_kl_per_token(logits[is_stored], stored))
    # The teacher's prompts about one context begin with it, so that packing reads it once.
    new = [[s for s, q in zip(row.segments, row.teacher_answers, strict=True) if q is None] for row in rows]
    new = [segments for segments in new if segments]
    if new or always_runs:
        packed = pack_rows(new or [rows[0].segments], teacher=True, joined=True).to(base.device)
        with torch.no_grad(), autocast():
            teacher = answer_logits(base, packed, None)
        if new:
            per_token = per_token.masked_scatter(~is_stored, top_k_kl_per_token(logits[~is_stored], teacher, top_k))
    return per_token


def stored_kl_per_token(logits: Tensor, stored: Sequence[SelfGeneratedQuestion]) -> Tensor:
    """Compute KL(teacher || student) per answer token, in nats, summed over the teacher's top k tokens.

    The number k of stored predictions may differ between questions. Tokens outside the top k are ignored, and neither
    distribution is renormalized.

    Args:
        logits: the student's, at the answer tokens of all `stored` questions in order `[answers, vocabulary]`.
        stored: the teacher's answers with its predictions.

    Returns:
        The divergence at each answer token `[answers]`.
    """
    parts = []
    for question, own in zip(stored, logits.split([len(q.answer_ids) for q in stored]), strict=True):
        top = torch.tensor(question.top_ids, device=logits.device).view(-1, question.top_k)
        teacher_log = torch.tensor(question.top_log_probs, device=logits.device).view(-1, question.top_k)
        student_log = own.log_softmax(-1).gather(-1, top)
        parts.append((teacher_log.exp() * (teacher_log - student_log)).sum(-1))
    return torch.cat(parts)
