"""Loss and exact match of instances, answered by the base with one adapter per row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM
from lorify.hypernets.text_to_lora.training_config import TaskOptimization
from lorify.training.engine.losses import (
    answer_logits,
    cross_entropy_per_token,
    mean_per_segment,
    token_share_per_segment,
)
from lorify.training.engine.packing import Segment, pack_rows, split_rows
from lorify.training.tasks.batches import TaskBatch, TaskSampler

AVERAGES = {"instances": mean_per_segment, "tokens": token_share_per_segment}


@dataclass(frozen=True)
class RowScores:
    """Scores of the instances of some rows.

    Attributes:
        loss: of each instance `[segments]`.
        exact: 1 where all answer tokens are right, else 0 `[segments]`.
        num_tokens: number of tokens that the base read.
    """

    loss: Tensor
    exact: Tensor
    num_tokens: int


def answer_rows(
    base: BaseLM,
    rows: Sequence[Sequence[Segment]],
    lora: LoraBatch,
    *,
    bf16: bool,
    loss_per_segment: Callable[[Tensor, Tensor, int], Tensor] = mean_per_segment,
    label_smoothing: float = 0.0,
    noise_alpha: float = 0.0,
) -> RowScores:
    """Answer the instances of each row with its adapter; all instances count equally, however long their answers.

    Args:
        base: the base.
        rows: the instances of each row.
        lora: updates of the rows.
        bf16: compute in bfloat16.
        loss_per_segment: combines the losses of answer tokens, given their segment and the number of segments.
        label_smoothing: share of the target that is spread over all tokens.
        noise_alpha: see `answer_logits`.
    """
    split, lora_of_split = split_rows(base, rows, lora)
    packed = pack_rows(split).to(base.device)
    with torch.autocast(base.device.type, dtype=torch.bfloat16, enabled=bf16):
        logits = answer_logits(base, packed, lora_of_split, noise_alpha=noise_alpha)
    per_token = cross_entropy_per_token(logits, packed.targets, label_smoothing=label_smoothing)
    num_segments = sum(map(len, rows))
    wrong = (logits.argmax(-1) != packed.targets).float()
    exact = (mean_per_segment(wrong, packed.segment, num_segments) == 0).float()
    return RowScores(loss_per_segment(per_token, packed.segment, num_segments), exact, packed.input_ids.numel())


def score_rows(
    base: BaseLM, rows: Sequence[Sequence[Segment]], lora: LoraBatch, optimization: TaskOptimization, *, training: bool
) -> RowScores:
    """Answer like `answer_rows`, in training with the run's label smoothing, noise and LoRA dropout.

    Args:
        base: the base, which answers.
        rows: segments of each row.
        lora: the adapters of the rows.
        optimization: average, label smoothing, noise and dropout.
        training: whether the scores are for a training step.
    """
    if training and optimization.lora_dropout:
        lora = {key: replace(tensors, dropout=optimization.lora_dropout) for key, tensors in lora.items()}
    return answer_rows(
        base,
        rows,
        lora,
        bf16=optimization.computes_in_bf16(base.device),
        loss_per_segment=AVERAGES[optimization.average_over],
        label_smoothing=optimization.label_smoothing if training else 0.0,
        noise_alpha=optimization.neftune_alpha if training else 0.0,
    )


def average_scores(scores: Mapping[str, Sequence[RowScores]]) -> dict[str, float]:
    """Average loss and exact match over the instances of the batches under each name.

    Args:
        scores: scores of batches, by name.

    Returns:
        `loss/NAME` and `exact/NAME`.
    """
    metrics: dict[str, float] = {}
    for name, batches in scores.items():
        metrics[f"loss/{name}"] = torch.cat([batch.loss for batch in batches]).mean().item()
        metrics[f"exact/{name}"] = torch.cat([batch.exact for batch in batches]).mean().item()
    return metrics


def evaluate_heldout(
    samplers: Mapping[str, TaskSampler], num_batches: int, score: Callable[[TaskBatch], RowScores]
) -> dict[str, float]:
    """Average loss and exact match over the first batches of every sampler except `train`, by name.

    Args:
        samplers: samplers by name; `train` is skipped.
        num_batches: batches of each sampler.
        score: scores a batch.

    Returns:
        `loss/NAME` and `exact/NAME`.
    """
    heldout = {name: sampler for name, sampler in samplers.items() if name != "train"}
    return average_scores({name: [score(s.build(n)) for n in range(num_batches)] for name, s in heldout.items()})
