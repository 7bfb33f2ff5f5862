"""The suite of instruction induction: 24 tasks with descriptions of people, scored as published."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from lorify.data.tasks.published.instruction_induction import load_instruction_induction
from lorify.data.tasks.schema import MeasuredTask
from lorify.evaluation.suites.task_cases import PublishedTasksSuite


class InstructionInductionSuite(PublishedTasksSuite):
    """The 24 tasks of instruction induction (arXiv 2205.10782) with their own metrics; seeds draw descriptions."""

    name = "instruction_induction"
    path: Path = Field(description="Folder `data` of github.com/orhonovich/instruction-induction, or of task files.")

    def load(self) -> list[MeasuredTask]:
        """Read the tasks."""
        return load_instruction_induction(self.path)
