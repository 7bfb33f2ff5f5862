"""Training examples of adapters: a question with the teacher's distribution over its answer, and the student's loss.

The teacher is either the base with the document in its prompt, or a known answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lorify.adapters import Adapter
from lorify.adapters.adapter import Key
from lorify.base.lora import LoraTensors
from lorify.base.model import BaseLM
from lorify.hypernets.internalizer import DocumentInternalizer

Focus = Callable[[Sequence[Adapter], Sequence[str]], Sequence[Adapter]]
"""(adapters, questions) -> the adapters that answer the questions."""


@dataclass(frozen=True)
class TrainingExample:
    """A question with the teacher's distribution over its answer.

    Attributes:
        question: the question.
        ids: the student's tokens: prompt and answer `[T]`.
        num_targets: number of positions at the end whose next token is learned.
        top_ids: the teacher's most probable tokens there `[num_targets, k]`.
        top_log: their log-probabilities `[num_targets, k]`.
    """

    question: str
    ids: list[int]
    num_targets: int
    top_ids: Tensor
    top_log: Tensor


def known_answer(base: BaseLM, question: str, prompt: Sequence[int], target: Sequence[int]) -> TrainingExample:
    """Make an example with a known answer, which gets all of the teacher's probability.

    Args:
        base: the base.
        question: the question.
        prompt: token ids of the prompt that asks it.
        target: token ids of the answer.
    """
    ids = torch.tensor(target, device=base.device).unsqueeze(-1)  # [targets, 1]
    return TrainingExample(question, [*prompt, *target[:-1]], len(target), ids, torch.zeros(ids.shape).to(ids.device))


def mean_kl_to_teacher(base: BaseLM, examples: Sequence[TrainingExample], lora: Mapping[Key, LoraTensors]) -> Tensor:
    """Compute the mean KL(teacher || student) over all target positions, on the teacher's most probable tokens."""
    student_log = student_log_probabilities(base, examples, lora)
    top_ids = torch.cat([example.top_ids for example in examples])
    teacher_log = torch.cat([example.top_log for example in examples])
    difference = teacher_log - student_log.gather(-1, top_ids)
    return (teacher_log.exp() * difference).sum(-1).mean()


def student_log_probabilities(
    base: BaseLM, examples: Sequence[TrainingExample], lora: Mapping[Key, LoraTensors]
) -> Tensor:
    """Compute the student's log-probabilities at all target positions `[targets, vocabulary]`."""
    ids, mask, at = pad_examples(examples, base.device)
    with base.hooks.applied(lora):
        hidden = base.decoder(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    return base.logits(hidden[at]).log_softmax(-1)


def target_probabilities(
    base: BaseLM, examples: Sequence[TrainingExample], lora: Mapping[Key, LoraTensors]
) -> list[Tensor]:
    """Compute the student's probability of the teacher's most probable token at each target `[num_targets]`."""
    log = student_log_probabilities(base, examples, lora)
    tokens = torch.cat([example.top_ids[:, 0] for example in examples])
    probabilities = log.gather(-1, tokens.unsqueeze(-1)).squeeze(-1).exp()
    return list(probabilities.split([example.num_targets for example in examples]))


def pad_examples(
    examples: Sequence[TrainingExample], device: torch.device
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Put examples into one batch, padded on the right.

    Returns:
        Token ids and attention mask `[rows, tokens]`, and the row and token of every target, each `[targets]`.
    """
    width = max(len(example.ids) for example in examples)
    ids = torch.zeros(len(examples), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    rows, positions = [], []
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        mask[row, : len(example.ids)] = 1
        rows += [row] * example.num_targets
        positions += range(len(example.ids) - example.num_targets, len(example.ids))
    return ids.to(device), mask.to(device), (torch.tensor(rows).to(device), torch.tensor(positions).to(device))


def focusing(internalizer: DocumentInternalizer) -> Focus:
    """Focus adapters as a hypernetwork does when it answers, without switching any off."""

    def focus(adapters: Sequence[Adapter], questions: Sequence[str]) -> list[Adapter]:
        prepared = internalizer.prepare(adapters, questions, only_if_relevant=False)
        return [found.adapter for found in prepared if found.adapter is not None]

    return focus
