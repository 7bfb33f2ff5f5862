"""Losses of the answers in a training step.

Shape letters: L adapted blocks, r rank of the memory, f input size of the adapted module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate

import torch
from torch import Tensor

from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork
from lorify.hypernets.associative.training_config import AssociativeOptimization
from lorify.training.associative.rows import QuestionRow
from lorify.training.associative.step_memory import StepMemory
from lorify.training.engine.losses import (
    answer_logits,
    answer_loss_per_segment,
    cross_entropy_per_token,
    mean_per_segment,
    retrieval_loss,
    top_k_kl_per_token,
)
from lorify.training.engine.packing import PackedRows, Segment, pack_rows, split_rows


@dataclass(frozen=True)
class SegmentScores:
    """Scores of some segments.

    Attributes:
        loss: loss of each segment `[segments]`.
        exact: 1 where every answer token is right, else 0 `[segments]`.
        retrieval: retrieval loss of each answer token whose positions in the contexts are known `[tokens]`.
    """

    loss: Tensor
    exact: Tensor
    retrieval: Tensor

    @classmethod
    def concatenated(cls, parts: Sequence[SegmentScores]) -> SegmentScores:
        """Join the scores of several groups of segments."""
        return cls(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)))


@dataclass(frozen=True)
class AnswerScorer:
    """Scores the base's answers with written adapters.

    Attributes:
        base: the base.
        config: config of the hypernetwork.
        hypernetwork: the hypernetwork.
        optimization: weights of the losses.
    """

    base: BaseLM
    config: AssociativeConfig
    hypernetwork: AssociativeHypernetwork
    optimization: AssociativeOptimization

    def score(self, rows: Sequence[QuestionRow], lora: LoraBatch, memory: StepMemory) -> tuple[SegmentScores, int]:
        """Score some rows.

        Args:
            rows: the rows.
            lora: their adapters.
            memory: memory of the step.

        Returns:
            Scores of their segments in order, and the number of tokens that went through the base.
        """
        split, lora_of_split = split_rows(self.base, [row.segments for row in rows], lora)
        packed = pack_rows(split).to(self.base.device)
        bf16 = self.optimization.computes_in_bf16(self.base.device)
        with torch.autocast(self.base.device.type, dtype=torch.bfloat16, enabled=bf16):
            with self.base.activation_hooks.recorded_inputs(self.config.layers, self.config.module) as inputs:
                logits = answer_logits(self.base, packed, lora_of_split)
        segments = [segment for row in rows for segment in row.segments]
        wrong = (logits.argmax(-1) != packed.targets).float()
        exact = (mean_per_segment(wrong, packed.segment, len(segments)) == 0).float()
        factors = [row.factors for row in rows for _ in row.segments]
        retrieval = self._retrieval(segments, factors, self._queries(packed, inputs), memory)
        return SegmentScores(self._answer_loss(segments, packed, logits), exact, retrieval), packed.input_ids.numel()

    def _answer_loss(self, segments: Sequence[Segment], packed: PackedRows, logits: Tensor) -> Tensor:
        """Cross-entropy of each segment, or KL to the teacher for segments with one `[segments]`."""
        per_token = cross_entropy_per_token(logits, packed.targets)
        first_share = self.optimization.first_token_share
        loss = answer_loss_per_segment(per_token, packed.segment, len(segments), first_share)
        has_teacher = torch.tensor([s.teacher_prompt is not None for s in segments], device=logits.device)
        of_teacher = has_teacher[packed.segment]
        if of_teacher.any():
            teacher_logits = self._teacher_logits(segments)
            kl = top_k_kl_per_token(logits[of_teacher], teacher_logits, self.optimization.teacher_top_k)
            loss = torch.where(has_teacher, mean_per_segment(kl, packed.segment[of_teacher], len(segments)), loss)
        return loss

    @torch.no_grad()
    def _teacher_logits(self, segments: Sequence[Segment]) -> Tensor:
        with_teacher = [[s] for s in segments if s.teacher_prompt is not None]
        return answer_logits(self.base, pack_rows(with_teacher, teacher=True).to(self.base.device), None)

    def _queries(self, packed: PackedRows, inputs: Mapping[int, Tensor]) -> Tensor:
        """Queries of the memory at the token before each answer token `[L, answers, r]`."""
        row, column = packed.predict.unbind(1)
        picked = torch.stack([inputs[layer][row, column] for layer in self.config.layers])  # [L, answers, f]
        return self.hypernetwork.compute_queries(picked.float())

    def _retrieval(
        self, segments: Sequence[Segment], factors: Sequence[Tensor | None], queries: Tensor, memory: StepMemory
    ) -> Tensor:
        """Retrieval loss of each answer token that occurs in the context `[tokens]`."""
        first = list(accumulate((len(s.answer) for s in segments), initial=0))
        wanted = [(n, first[n] + i, at) for n, s in enumerate(segments) for i, at in enumerate(s.answer_positions)]
        if not wanted or not self.optimization.retrieval_weight:
            return memory.keys.new_zeros(0)
        is_answer = torch.zeros(len(wanted), memory.num_tokens, dtype=torch.bool)
        for row, (_, _, positions) in enumerate(wanted):
            is_answer[row, [memory.chunk_offsets[chunk] + index for chunk, index in positions]] = True
        equal = memory.keys.new_ones(memory.num_tokens)
        weights = torch.stack([equal if (own := factors[n]) is None else own for n, _, _ in wanted])
        return retrieval_loss(
            queries[:, [answer for _, answer, _ in wanted]], memory.keys, is_answer.to(weights.device), weights.log()
        )
