"""Estimate what a run that trains a LoRA with the document in the prompt needs from its config alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from lorify.data.facts.generate import generate_fact_example
from lorify.training.context_sizes import mean_size, passage_size
from lorify.training.dry_run import DryRun
from lorify.training.engine.meta_base import StepShape
from lorify.training.in_prompt.config import PromptData, PromptTrainingConfig
from lorify.training.tasks.dry_run import count_lora_parameters, estimate_from_cost, meta_task_base
from lorify.training.tasks.setup import adapted_layers


@dataclass(frozen=True)
class BatchSize:
    """The size of a batch.

    Attributes:
        rows: number of documents.
        tokens: length of the longest row: document, questions and answers.
        answers: answer tokens of a row.
    """

    rows: int
    tokens: int
    answers: int


def dry_run_prompt(config: PromptTrainingConfig, *, size: BatchSize | None = None) -> DryRun:
    """Estimate the parameters, memory and time of a run.

    Args:
        config: the run.
        size: size of a batch; None: the typical one.

    Raises:
        ConfigError: if the base lacks a module.
        TrainingError: if no block of the base is adapted.
        BaseModelError: if the config of the base cannot be read.
    """
    base = meta_task_base(config.base)
    size = size or _usual_size(config.data)
    shape = StepShape(
        rows=size.rows,
        tokens=size.tokens,
        answers=size.answers,
        adapters=size.rows,
        layers=adapted_layers(config.lora, len(base.blocks), config.base),
        modules=base.adapted_modules(config.lora.modules),
        rank=config.lora.rank,
    )
    return estimate_from_cost(config, base, count_lora_parameters(shape), base.step_cost(shape))


def _usual_size(data: PromptData) -> BatchSize:
    most = data.questions_per_context
    facts = mean_size(partial(generate_fact_example, split="train", num_questions=most), most)
    passages = data.questions if data.questions_path else 0
    contexts = [facts] * data.facts + [passage_size(data.max_context_chars, most)] * passages
    return BatchSize(
        rows=len(contexts),
        tokens=max(context.tokens + context.row_tokens for context in contexts),
        answers=round(sum(context.row_answers for context in contexts) / len(contexts)),
    )
