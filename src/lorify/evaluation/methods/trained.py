"""Methods for tasks with trained LoRAs: one for all tasks, or one for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from pydantic import Field

from lorify.adapters import Adapter, LoraPair
from lorify.adapters.storage import load_adapter
from lorify.evaluation.methods.api import Ingest, Method, PreparedCase
from lorify.evaluation.methods.contexts import case_task
from lorify.evaluation.methods.internalized import prepare_adapter
from lorify.evaluation.methods.specialized import missing_in_library
from lorify.evaluation.methods.tasks import with_examples
from lorify.evaluation.suites.cases import Case, TaskContext
from lorify.facade import Lorify
from lorify.hypernets.text_to_lora.library import load_library


class Trained(Method):
    """Base class: a trained LoRA."""

    kinds = ("tasks",)
    path: Path = Field(description="Folder of trained LoRAs (`best` of a run of kind lora).")
    examples: bool = Field(False, description="Put three examples into the prompt too, as three_shot does.")

    def load_loras(self) -> Callable[[TaskContext], Adapter]:
        """Load the LoRAs and return a function that finds the one for a task."""
        raise NotImplementedError

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Load the LoRAs and return a function that prepares a case with the LoRA of its task."""
        find = self.load_loras()

        def ingest(case: Case) -> PreparedCase:
            task = case_task(case)
            adapter = find(task)
            adapter.check_base(model.base)
            adapter = model.attach_weights(adapter)
            prepared = prepare_adapter(adapter, only_if_relevant=False)
            return replace(prepared, query_for=with_examples(prepared.query_for, task)) if self.examples else prepared

        return ingest


class MultiTask(Trained):
    """One LoRA trained on all tasks."""

    name = "multi_task"

    def load_loras(self) -> Callable[[TaskContext], Adapter]:
        """Load the LoRA and return a function that gives it for every task."""
        adapter = load_adapter(self.path)
        return lambda task: adapter


class AverageLora(Trained):
    """The mean of a library's LoRAs: the mean of their A and the mean of their B."""

    name = "average"

    def load_loras(self) -> Callable[[TaskContext], Adapter]:
        """Load the library and average it."""
        adapters = list(load_library(self.path).adapters.values())
        weights = {
            key: LoraPair(
                torch.stack([adapter.weights[key].A for adapter in adapters]).mean(0),
                torch.stack([adapter.weights[key].B for adapter in adapters]).mean(0),
            )
            for key in adapters[0].weights
        }
        average = replace(adapters[0], weights=weights)
        return lambda task: average


class TaskLora(Trained):
    """A LoRA trained on the examples of the task: an upper bound for generated adapters."""

    name = "oracle"

    def load_loras(self) -> Callable[[TaskContext], Adapter]:
        """Load the library and return a function that finds the LoRA of a task by its name."""
        adapters = load_library(self.path).adapters

        def find(task: TaskContext) -> Adapter:
            if task.name not in adapters:
                raise missing_in_library("oracle", self.path, task.name)
            return adapters[task.name]

        return find
