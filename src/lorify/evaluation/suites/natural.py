"""The suite of natural tasks: templates of T0 and tasks of Super-NaturalInstructions, by family and data set."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from lorify.data.tasks.published.natural import load_natural_tasks
from lorify.data.tasks.schema import MeasuredTask, split_task
from lorify.evaluation.suites.task_cases import PublishedTasksSuite


class NaturalTasksSuite(PublishedTasksSuite):
    """Natural tasks (T0, Super-NaturalInstructions) of chosen families and data sets, from a folder of task files."""

    name = "natural"
    path: Path = Field(description="Task file or folder; files of Super-NaturalInstructions are read as published.")
    families: tuple[str, ...] = Field((), description="Families; by default all.")
    datasets: tuple[str, ...] = Field((), description="Source data sets; by default all.")

    def load(self) -> list[MeasuredTask]:
        """Read the tasks; all of their descriptions are measured."""
        tasks = load_natural_tasks(self.path, families=self.families, datasets=self.datasets)
        return [split_task(task) for task in tasks]
