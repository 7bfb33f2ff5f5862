"""The suite of tasks: held-out inputs of tasks, with descriptions that are held out where a task has several."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from lorify.data.tasks.files import load_tasks
from lorify.data.tasks.long_wordings import with_long_wordings
from lorify.data.tasks.schema import split_task
from lorify.data.tasks.suite import suite_training_tasks, suite_unseen_tasks
from lorify.data.tasks.written import written_tasks
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case
from lorify.evaluation.suites.task_cases import build_task_cases
from lorify.facade import Lorify


class TasksSuite(Suite):
    """Tasks with held-out inputs and descriptions, by default of kinds that training never saw.

    Each seed draws other descriptions, inputs and examples.
    """

    name = "tasks"
    kind = "tasks"
    default_methods = "none,description,three_shot,adapter,mismatched,random"
    max_new_tokens = 256
    path: Path | None = Field(
        None, description="Task file or folder; by default the unseen tasks of the generated suite."
    )
    seen: bool = Field(False, description="Use the training tasks of the generated suite, with held-out inputs.")
    written: bool = Field(False, description="Use the ordinary requests that were written for lorify.")
    long: bool = Field(False, description="Put each description into about 45 tokens of other text.")
    instances: int = Field(8, ge=1, description="Inputs of each task for each seed.")
    seeds: int = Field(3, ge=1, description="Number of seeds, counted from 0.")

    @model_validator(mode="after")
    def _one_source(self) -> TasksSuite:
        if (self.path is not None) + self.seen + self.written > 1:
            raise ValueError("path, seen and written exclude each other; give one of them")
        return self

    def build(self, model: Lorify) -> list[Case]:
        """Draw inputs and descriptions, one case for each task and seed."""
        if self.path is not None:
            tasks = load_tasks(self.path)
        elif self.written:
            tasks = written_tasks()
        else:
            tasks = suite_training_tasks() if self.seen else suite_unseen_tasks()
        measured = [split_task(with_long_wordings(task) if self.long else task) for task in tasks]
        return build_task_cases(model.base, measured, instances=self.instances, seeds=self.seeds, source=self.name)
