"""Training of ordinary LoRAs: one for each task (a library), or one for all tasks.

The LoRAs of a library share only batches: a batch draws some tasks, and only the weights of these tasks get a gradient,
as if each LoRA were trained alone on the batches with its task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from lorify.adapters import Adapter, save_adapter
from lorify.base.lora import LoraBatch
from lorify.base.model import BaseLM
from lorify.contexts.descriptions.encoding import load_description_encoder
from lorify.data.tasks.schema import Task
from lorify.errors import TrainingError
from lorify.hypernets.text_to_lora.library import Library, save_library
from lorify.hypernets.text_to_lora.lora_table import LoraStack, LoraTable
from lorify.hypernets.text_to_lora.training_config import LoraTrainingConfig
from lorify.training.engine.objective import BatchLoss
from lorify.training.engine.prefetch import PrefetchedBatches
from lorify.training.engine.processes import num_processes
from lorify.training.lora_weights import build_table_batch, copy_to_adapter, new_table, settings_scaling
from lorify.training.preparation import Preparation
from lorify.training.tasks.batches import TaskBatch, TaskSampler, training_descriptions
from lorify.training.tasks.scoring import average_scores, score_rows
from lorify.training.tasks.selection import select_tasks
from lorify.training.tasks.setup import adapted_layers, embed_descriptions, load_start, load_task_base

SHARED = "all tasks"


def prepare_loras(config: LoraTrainingConfig, preparation: Preparation) -> LoraObjective:
    """Read the tasks, load the base, and build the objective.

    Raises:
        LorifyError: if tasks, base or the hypernetwork to start from cannot be read.
    """
    train, unseen = select_tasks(config.data, config.seed)
    base = load_task_base(config.base, preparation)
    objective = LoraObjective(config, base, unseen if config.unseen_tasks else train)
    if config.init_from is not None:
        objective.init_from(config.init_from, preparation)
    return objective


class LoraObjective:
    """Instances of tasks, answered by the base with the task's own LoRA."""

    def __init__(self, config: LoraTrainingConfig, base: BaseLM, tasks: Sequence[Task]) -> None:
        """Start with new LoRAs as in PEFT: A random, B zero."""
        self.config, self.base, self.tasks = config, base, tasks
        self.train = TaskSampler(config.data, base, tasks, seed=config.seed, num_processes=num_processes())
        self._batches = PrefetchedBatches(self.train.build, base.device)
        self.heldout = TaskSampler(config.data, base, tasks, seed=config.seed, heldout=True)
        self.layers = adapted_layers(config.lora, base.num_layers, base.name)
        names = [SHARED] if config.shared else [task.name for task in self.train.tasks]
        self.numbers = {
            name: str(number) for number, name in enumerate(names)
        }  # task names may have dots, which module names may not
        # All LoRAs start with the same weights, so that they differ only in what they learned.
        tables = {str(n): new_table(config.lora, base, self.layers, config.seed) for n in range(len(names))}
        self.tables = nn.ModuleDict(tables).to(base.device)

    @torch.no_grad()
    def init_from(self, folder: Path, preparation: Preparation) -> None:
        """Start each LoRA with the weights that a task hypernetwork generates from its task's first description.

        Raises:
            HypernetworkError: if it is missing or damaged.
            ContextError: if its description encoder cannot be read.
            TrainingError: if it is for another base, or generates LoRAs of other modules, blocks, rank or scaling.
        """
        encoder = load_description_encoder(self.config.embedder, base=self.base, device=self.base.device)
        config, hypernetwork = load_start(folder, self.base, encoder)
        names = tuple(module.name for module in config.modules)
        if (names, config.layers, config.rank, config.scaling) != (
            self.config.lora.modules,
            self.layers,
            self.config.lora.rank,
            self.scaling,
        ):
            raise TrainingError(
                f"init_from {folder} generates LoRAs of other modules, blocks, rank or scaling; set lora as in its "
                "config.json"
            )
        hypernetwork.to(self.base.device)
        texts = {task.name: self._descriptions(task)[0] for task in self.tasks if task.name in self.numbers}
        embeddings = embed_descriptions(encoder, texts.values(), preparation)
        for name, text in texts.items():
            generated = hypernetwork(embeddings[text].to(self.base.device).unsqueeze(0)).weights
            self._table(name).fill({module: LoraStack(w.A[0], w.B[0]) for module, w in generated.items()})

    @property
    def module(self) -> nn.ModuleDict:
        """The LoRAs."""
        return self.tables

    @property
    def scaling(self) -> float:
        """Scaling of the LoRAs."""
        return settings_scaling(self.config.lora)

    def loss(self, batch: int) -> BatchLoss:
        """Compute the loss of training batch `batch`."""
        step, seconds = self._batches.take(batch)
        scores = score_rows(self.base, step.rows, self._lora(step), self.config.optimization, training=True)
        metrics = {"exact/train": scores.exact.mean().item()}
        return BatchLoss(scores.loss.mean(), metrics, scores.num_tokens, data_seconds=seconds)

    def evaluate(self) -> dict[str, float]:
        """Compute the loss and exact match on held-out instances of the tasks."""
        steps = [self.heldout.build(index) for index in range(self.config.evaluation_batches)]
        optimization = self.config.optimization
        scores = [score_rows(self.base, s.rows, self._lora(s), optimization, training=False) for s in steps]
        return average_scores({"seen": scores})

    def score(self, heldout: Mapping[str, float]) -> float:
        """Return exact match; if no task has a single right answer, the negated loss."""
        if all(task.metric in ("f1", "rouge_l") for task in self.tasks):
            return -heldout["loss/seen"]
        return heldout["exact/seen"]

    def save_best(self, folder: Path) -> None:
        """Write the adapter for all tasks, or the library."""
        if self.config.shared:
            save_adapter(self.adapter(SHARED), folder)
            return
        descriptions = {task.name: self._descriptions(task) for task in self.tasks if task.name in self.numbers}
        save_library(Library({name: self.adapter(name) for name in self.numbers}, descriptions), folder)

    def _descriptions(self, task: Task) -> tuple[str, ...]:
        return training_descriptions(task, self.config.data)

    def _table(self, task: str) -> LoraTable:
        table = self.tables[self.numbers[SHARED if self.config.shared else task]]
        assert isinstance(table, LoraTable)
        return table

    def _lora(self, step: TaskBatch) -> LoraBatch:
        return build_table_batch(self.config.lora, self.layers, [self._table(task) for task in step.tasks])

    def adapter(self, name: str) -> Adapter:
        """Copy a LoRA into an adapter.

        Args:
            name: name of its task, or `SHARED`.
        """
        in_chat = self.config.data.prompts == "published"
        table = self._table(name)
        return copy_to_adapter(self.config.lora, self.layers, table, self.base, name, in_published_chat=in_chat)
