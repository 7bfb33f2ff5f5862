"""Training examples answered by the adapter itself: focused on each question, it teaches the unfocused adapter."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lorify.adapters import Adapter, build_lora_batch
from lorify.base.chat.prompts import PromptBuilder
from lorify.base.decoding.generation import generate_batch
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.model import BaseLM
from lorify.errors import AdapterError
from lorify.hypernets.adapter_training.time_limit import TimeLimit
from lorify.hypernets.adapter_training.training_examples import (
    Focus,
    TrainingExample,
    known_answer,
    target_probabilities,
)

ANSWER_TOKENS = 24
BATCH_SIZE = 16
MIN_TOKEN_PROBABILITY = 0.3
"""An answer is learned only if each of its tokens has at least this probability."""


@torch.no_grad()
def own_answers(
    base: BaseLM, adapter: Adapter, questions: Sequence[str], *, focus: Focus, prompts: PromptBuilder, limit: TimeLimit
) -> list[TrainingExample]:
    """Answer each question with the adapter focused on it, and keep the answers that it is sure of.

    Args:
        base: the base.
        adapter: a hypernetwork's adapter.
        questions: the questions.
        focus: focuses the adapter.
        prompts: builds the prompts as when the adapter is used.
        limit: time limit; at least the first few questions are answered.

    Returns:
        Questions with answers.

    Raises:
        AdapterError: if the adapter cannot be focused.
    """
    examples: list[TrainingExample] = []
    for batch in limit.batches(questions, BATCH_SIZE):
        rows = focus([adapter] * len(batch), batch)
        if all(row is adapter for row in rows):
            raise AdapterError(
                "the adapter keeps no tokens to focus it with, or its hypernetwork cannot focus; expected one made "
                "with keep=tokens by a hypernetwork with a reader"
            )
        examples += _answer(base, rows, batch, prompts)
    return examples


def _answer(
    base: BaseLM, rows: Sequence[Adapter], questions: Sequence[str], prompts: PromptBuilder
) -> list[TrainingExample]:
    lora = build_lora_batch(rows, base) or {}
    prompt_ids = [prompts.question_ids(question) for question in questions]
    answers = generate_batch(base, prompt_ids, GenerationOptions(ANSWER_TOKENS), lora=lora, stop_ids=base.stop_ids)
    examples = [
        known_answer(base, question, prompt, [*answer, min(base.stop_ids)])
        for question, prompt, answer in zip(questions, prompt_ids, answers, strict=True)
    ]
    found = target_probabilities(base, examples, lora)
    return [
        example
        for example, answer, probabilities in zip(examples, answers, found, strict=True)
        if answer and len(answer) < ANSWER_TOKENS and probabilities.min() >= MIN_TOKEN_PROBABILITY
    ]
