"""What training batches are made of: sections of the configs that several kinds of run share."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from lorify.hypernets.training_config import Section


class ContextMix(Section):
    """Which contexts a step is made of, and how many questions of each it asks."""

    facts: int = Field(4, ge=0, description="Generated fact documents a step.")
    questions: int = Field(2, ge=0, description="Natural passages with questions a step.")
    niah: int = Field(2, ge=0, description="Needle-in-a-haystack contexts a step.")
    questions_path: Path | None = Field(None, description="JSON lines file or folder of natural passages.")
    questions_per_context: int = Field(6, gt=0, description="At most this many questions a context.")
    max_context_chars: int = Field(1800, gt=0, description="Longer natural passages are left out, in characters.")
    max_answer_chars: int = Field(80, gt=0, description="Longer natural answers are left out, in characters.")
    niah_min_tokens: int = Field(36, gt=0, description="Shortest needle context, in tokens.")
    niah_max_tokens: int = Field(256, gt=0, description="Longest needle context, in tokens.")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.niah_min_tokens > self.niah_max_tokens:
            raise ValueError(f"niah_min_tokens {self.niah_min_tokens} is above niah_max_tokens {self.niah_max_tokens}")
        return self


class TaskData(Section):
    """Tasks, and what a batch is made of."""

    suite: bool = Field(True, description="Train on the generated suite.")
    drawn_tasks: int = Field(
        0, ge=0, description="Train on so many tasks of families whose words, marks and labels are new in every task."
    )
    tasks_path: Path | None = Field(None, description="JSON file or folder of further tasks.")
    questions_path: Path | None = Field(
        None, description="JSON lines of context, question and answers: the task of writing such questions is learned."
    )
    only_sni_training: bool = Field(
        False, description="Of tasks of Super-NaturalInstructions, only the 479 that the paper trains on."
    )
    eval_tasks_path: Path | None = Field(None, description="Tasks that are measured on; what overlaps is taken out.")
    heldout_family_share: float = Field(
        0.1, ge=0, lt=1, description="Share of the families of tasks_path that are kept for measuring."
    )
    max_tasks: int | None = Field(None, gt=0, description="Train on so many tasks, drawn by the seed; null: on all.")
    hierarchical: bool = Field(True, description="Draw a family, then a task of it; otherwise any task is as likely.")
    tasks_per_batch: int = Field(8, gt=0, description="Tasks a batch.")
    descriptions_per_task: int = Field(1, gt=0, description="Descriptions of each task a batch, each with instances.")
    instances_per_description: int = Field(4, gt=0, description="Instances answered with each description's adapter.")
    rewording: bool = Field(False, description="Put each description in other words every time it is trained on.")
    max_instance_tokens: int = Field(160, gt=0, description="Longer instances (input and answer) are left out.")
