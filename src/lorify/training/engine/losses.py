"""Losses: cross-entropy on answers, KL to the teacher's top-k predictions, and retrieval."""

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM
from lorify.training.engine.packing import PackedRows

RETRIEVAL_SHARPNESS = 30.0


def answer_logits(
    base: BaseLM, rows: PackedRows, lora: LoraBatch | None, *, noise_alpha: float = 0.0, noise_tokens: int | None = None
) -> Tensor:
    """Compute the logits of all answer tokens `[answers, vocabulary]`; the head runs at these positions only.

    Repeated rows skip the blocks below the first adapted one (see `lorify.base.lower_block_cache`).

    Args:
        base: the base.
        rows: its input.
        lora: updates of the rows; None: the bare base.
        noise_alpha: if above 0, noise is added to the token embeddings as in NEFTune (arXiv 2310.05914): uniform in
            +-alpha / sqrt(tokens * hidden size).
        noise_tokens: number of tokens in that formula; None: length of the longest question with its answer.
    """
    if noise_alpha:
        embedded = cast(nn.Module, base.model.get_input_embeddings())(rows.input_ids)  # [rows, tokens, hidden]
        num_tokens = noise_tokens or int(rows.position_ids.max()) + 1
        bound = noise_alpha / math.sqrt(num_tokens * embedded.shape[-1])
        inputs = {"inputs_embeds": embedded + torch.empty_like(embedded).uniform_(-bound, bound)}
    else:
        inputs = {"input_ids": rows.input_ids}
    # With noise no two rows are equal, so none can be reused.
    first_layer = min((layer for layer, _ in lora), default=0) if lora and not noise_alpha else 0
    shared = base.lower_block_cache.applied(first_layer, rows.input_ids, rows.position_ids, rows.attention_mask)
    # Attention is causal, so padding on the right does not matter.
    is_plain = base.is_recurrent and not rows.is_shared
    mask = None if is_plain else base.attention_mask(rows.attention_mask)
    with base.hooks.applied(lora), shared:
        hidden = base.decoder(
            **inputs, position_ids=rows.position_ids, attention_mask=mask, use_cache=False
        ).last_hidden_state
    return base.logits(hidden[rows.predict[:, 0], rows.predict[:, 1]])  # [answers, hidden] -> [answers, vocabulary]


def cross_entropy_per_token(logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Compute the cross-entropy of each answer token `[answers]`, with label smoothing.

    Args:
        logits: `[answers, vocabulary]`.
        targets: token ids `[answers]`.
        label_smoothing: share of the target spread over all tokens, from 0 to 1.
    """
    return F.cross_entropy(logits, targets, reduction="none", label_smoothing=label_smoothing)


def top_k_kl_per_token(student_logits: Tensor, teacher_logits: Tensor, top_k: int) -> Tensor:
    """Compute KL(teacher || student) over the teacher's `top_k` tokens `[answers]` (Doc-to-LoRA, section 3: 16).

    Args:
        student_logits: `[answers, vocabulary]`.
        teacher_logits: `[answers, vocabulary]`.
        top_k: number of teacher tokens.
    """
    teacher_log, index = teacher_logits.log_softmax(-1).topk(top_k, dim=-1)
    student_log = student_logits.log_softmax(-1).gather(-1, index)
    return (teacher_log.exp() * (teacher_log - student_log)).sum(-1)


def retrieval_loss(queries: Tensor, keys: Tensor, is_answer: Tensor, log_counts: Tensor) -> Tensor:
    """Compute the cross-entropy of finding the answer among all tokens of the step's contexts `[n]`.

    It teaches retrieval directly, whereas the answer loss reaches it only through the whole base. The cosines of query
    and key are averaged over the blocks, since retrieved values add up in the residual stream.

    Args:
        queries: output of `A` at the positions that predict an answer token `[L, n, r]`.
        keys: unit keys of all tokens `[L, tokens, r]`.
        is_answer: `[n, tokens]`, True where the answer token follows; at least one per row.
        log_counts: logarithm of each token's weight `[n, tokens]`; -inf excludes a token.
    """
    cosine = torch.einsum("lnr,ltr->nt", F.normalize(queries.float(), dim=-1), keys) / len(keys)
    scores = RETRIEVAL_SHARPNESS * cosine + log_counts
    return scores.logsumexp(-1) - scores.masked_fill(~is_answer, float("-inf")).logsumexp(-1)


def answer_loss_per_segment(per_token: Tensor, segment: Tensor, num_segments: int, first_share: float) -> Tensor:
    """Average each answer's token losses `[num_segments]`: the first token has weight `first_share`.

    The first token must be retrieved; after it, the rest of an answer is easy.

    Args:
        per_token: loss of each answer token `[answers]`.
        segment: segment of each token, in ascending order `[answers]`.
        num_segments: number of segments, each of at least one token.
        first_share: weight of the first token; the others share the rest equally.
    """
    is_first = torch.ones_like(segment, dtype=torch.bool)
    is_first[1:] = segment[1:] != segment[:-1]
    rest = mean_per_segment(per_token[~is_first], segment[~is_first], num_segments)
    has_rest = mean_per_segment(torch.ones_like(per_token[~is_first]), segment[~is_first], num_segments)  # 1 or 0
    first = per_token[is_first]
    return torch.lerp(first, first_share * first + (1 - first_share) * rest, has_rest)


def token_share_per_segment(per_token: Tensor, segment: Tensor, num_segments: int) -> Tensor:
    """Sum the tokens of each segment, scaled so that the mean of `[num_segments]` is the mean over tokens.

    Args:
        per_token: loss of each token `[answers]`.
        segment: index of the segment of each token `[answers]`.
        num_segments: number of segments.
    """
    total = per_token.new_zeros(num_segments).index_add(0, segment, per_token)
    return total * num_segments / max(1, len(per_token))


def mean_per_segment(per_token: Tensor, segment: Tensor, num_segments: int) -> Tensor:
    """Average over the tokens of each segment `[num_segments]`, so that short and long answers count the same.

    Args:
        per_token: loss of each token `[answers]`.
        segment: index of the segment of each token `[answers]`.
        num_segments: number of segments.
    """
    total = per_token.new_zeros(num_segments).index_add(0, segment, per_token)
    count = per_token.new_zeros(num_segments).index_add(0, segment, torch.ones_like(per_token))
    return total / count.clamp_min(1)
