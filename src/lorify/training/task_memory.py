"""Training of an associative hypernetwork on tasks: it reads a description token by token, as it reads a document.

Where an embedding of the whole description says what kind of task it is, its tokens also say which words, marks and
labels are wanted. Beside the memory of the description an adapter has the parts that are the same for all tasks (`bias`
and `reading`), which do what a LoRA for all tasks does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lorify.base.model import BaseModel
from lorify.contexts.chunking import split_into_chunks
from lorify.hypernets.associative import TokenMemory
from lorify.hypernets.specialize import described_chat
from lorify.hypernets.storage import save_hypernetwork
from lorify.training.associative import AskedRow, AssociativeObjective, ReadContexts
from lorify.training.batches import Step
from lorify.training.prepare import Preparation
from lorify.training.task_batches import TaskBatch, TaskSampler, prepare_tasks
from lorify.training.task_config import TaskMemoryConfig
from lorify.training.task_sft import load_task_base, task_samplers

SAMPLE_BATCHES = 5


def prepare_task_memory(config: TaskMemoryConfig, preparation: Preparation) -> TaskMemoryObjective:
    """Read tasks and base, and put the objective together.

    Raises:
        LorifyError: if something of it cannot be read.
    """
    train, unseen = prepare_tasks(config.data, config.seed)
    base = load_task_base(config.base, preparation)
    samplers = task_samplers(config, base, train, unseen)
    chunk_tokens = config.hypernetwork.chunk_tokens
    return TaskMemoryObjective(
        config,
        base,
        train_steps=DescribedTasks({"train": samplers.pop("train")}, base, chunk_tokens),
        heldout_steps=DescribedTasks(samplers, base, chunk_tokens),
    )


class DescribedTasks:
    """Batches of tasks as steps: every description is a context of its own, its instances are the questions."""

    def __init__(self, samplers: Mapping[str, TaskSampler], base: BaseModel, chunk_tokens: int) -> None:
        """Draw from each of `samplers` in turn; its name is the kind of its instances."""
        self.samplers, self.base, self.chunk_tokens = list(samplers.items()), base, chunk_tokens

    def build(self, step: int) -> Step:
        """The batch of step `step`."""
        in_turn, which = divmod(step, len(self.samplers))
        kind, sampler = self.samplers[which]
        batch = sampler.build(in_turn)
        chunks, context_of_chunk = [], []
        for context, own in enumerate(self._chunks(batch)):
            chunks += own
            context_of_chunk += [context] * len(own)
        return Step(
            chunks,
            torch.tensor(context_of_chunk),
            mixing=torch.eye(len(batch.rows)),
            rows=batch.rows,
            is_focused=[False] * len(batch.rows),
            kinds=[kind for row in batch.rows for _ in row],
        )

    def sample(self) -> list[list[int]]:
        """Some descriptions."""
        batches = [sampler.build(n) for _, sampler in self.samplers for n in range(SAMPLE_BATCHES)]
        return [chunk for batch in batches for own in self._chunks(batch) for chunk in own]

    def _chunks(self, batch: TaskBatch) -> Sequence[Sequence[list[int]]]:
        texts = [described_chat(text, self.base) for text in batch.descriptions]
        return [list(split_into_chunks(text, self.base.tokenizer, self.chunk_tokens)) for text in texts]


class TaskMemoryObjective(AssociativeObjective):
    """Instances of tasks, answered by the base with the adapter that the hypernetwork writes of a description."""

    def __init__(
        self, config: TaskMemoryConfig, base: BaseModel, *, train_steps: DescribedTasks, heldout_steps: DescribedTasks
    ) -> None:
        """A new hypernetwork, or that of `config.start_from`.

        Raises:
            LorifyError: as `first_hypernetwork`.
        """
        super().__init__(config, base, train_steps=train_steps, heldout_steps=heldout_steps)
        self.num_tasks = sum(len(sampler.tasks) for _, sampler in train_steps.samplers)

    def _written(self, step: Step, asked: Sequence[AskedRow], memory: ReadContexts) -> Tensor:
        """`B [L, asked rows, r, d]`: every description is an adapter of its own."""
        tokens = [memory.tokens[row.context] for row in asked]
        index = pad_sequence(tokens, batch_first=True)  # [rows, T]
        is_token = pad_sequence([torch.ones_like(own) for own in tokens], batch_first=True).to(memory.weights)
        chosen = TokenMemory(memory.keys[:, index], memory.values[:, index], memory.weights[:, index] * is_token)
        return self.hypernet.write_short(chosen)

    def score(self, heldout: Mapping[str, float]) -> float:
        """Exact match on trained tasks: what is measured on at the end (`unseen`) must not choose what is measured."""
        return heldout["exact/seen"]

    def save_best(self, folder: Path) -> None:
        """Write the hypernetwork."""
        save_hypernetwork(folder, self.shape.model_copy(update={"num_training_tasks": self.num_tasks}), self.hypernet)
