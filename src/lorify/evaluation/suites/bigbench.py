"""The suite of BIG-bench's JSON tasks."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from lorify.data.tasks.published.bigbench import load_bigbench
from lorify.data.tasks.schema import MeasuredTask, split_task
from lorify.evaluation.suites.task_cases import PublishedTasksSuite


class BigBenchSuite(PublishedTasksSuite):
    """JSON tasks of BIG-bench (arXiv 2206.04615), from a folder of NAME/task.json."""

    name = "bigbench"
    path: Path = Field(description="Folder `bigbench/benchmark_tasks` of github.com/google/BIG-bench, or a part of it.")

    def load(self) -> list[MeasuredTask]:
        """Read the tasks."""
        return [split_task(task) for task in load_bigbench(self.path)]
