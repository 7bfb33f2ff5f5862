"""Context distillation as in the baseline of Doc-to-LoRA: AdamW for a fixed number of passes over the questions.

    loss = mean_t sum_(k in top 16) p_k (log p_k - log q_k)        p: teacher, q: student

The learning rate falls from its peak to 0 along a cosine over all steps. `A` starts uniform in `+-1 / sqrt(inputs)` and
`B` at zero, as in PEFT.

Source: Doc-to-LoRA (arXiv 2602.15902), src/ctx_to_lora/modeling/context_distillation.py of
github.com/SakanaAI/doc-to-lora.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from lorify.adapters import Adapter, LoraPair
from lorify.base.lora import LoraTensors
from lorify.base.model import BaseLM
from lorify.contexts.documents import Document
from lorify.hypernets.adapter_training.gradient_loop import blank_adapter
from lorify.hypernets.adapter_training.training_examples import TrainingExample, mean_kl_to_teacher

WEIGHT_DECAY = 0.01


@dataclass(frozen=True)
class DistillationSettings:
    """Settings of the baseline, with the published values.

    Attributes:
        epochs: passes over the questions.
        batch_size: questions in each step.
        learning_rate: peak of AdamW's learning rate.
        rank: rank of the LoRA on every block's `down_proj`.
        lora_alpha: numerator of its scaling `lora_alpha / rank`.
        seed: of the initial weights and the order of the questions.
    """

    epochs: int = 300
    batch_size: int = 16
    learning_rate: float = 1e-4
    rank: int = 8
    lora_alpha: float = 16.0
    seed: int = 0


def distill_as_published(
    base: BaseLM, examples: Sequence[TrainingExample], documents: Sequence[Document], settings: DistillationSettings
) -> Adapter:
    """Train a new LoRA on examples.

    Args:
        base: the base, which does not change.
        examples: questions with the teacher's predictions, at least one.
        documents: the documents, for the provenance.
        settings: how to train.

    Returns:
        The adapter, in float32.
    """
    blank = blank_adapter(base, settings.rank, documents)
    generator = torch.Generator().manual_seed(settings.seed)
    A = {
        key: (torch.rand(pair.A.shape, generator=generator) * 2 - 1).div(pair.A.shape[1] ** 0.5).to(base.device)
        for key, pair in blank.weights.items()
    }
    B = {key: torch.zeros_like(pair.B.T, device=base.device) for key, pair in blank.weights.items()}
    learned = [matrix.requires_grad_(True) for matrix in (*A.values(), *B.values())]
    optimizer = torch.optim.AdamW(learned, lr=settings.learning_rate, weight_decay=WEIGHT_DECAY)
    num_batches = math.ceil(len(examples) / settings.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(1, settings.epochs * num_batches))
    scaling = settings.lora_alpha / settings.rank
    for _ in range(settings.epochs):
        order = torch.randperm(len(examples), generator=generator).tolist()
        for start in range(0, len(order), settings.batch_size):
            batch = [examples[i] for i in order[start : start + settings.batch_size]]
            loss = mean_kl_to_teacher(base, batch, {key: LoraTensors(A[key], B[key] * scaling) for key in A})
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    weights = {key: LoraPair(A[key].detach(), B[key].detach().T.contiguous()) for key in A}
    return Adapter(weights, settings.lora_alpha, blank.provenance)
