"""Training data: config sections shared by several kinds of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from lorify.data.tasks.schema import HELDOUT_DESCRIPTION_SHARE, HELDOUT_INSTANCE_SHARE
from lorify.hypernets.training_config import Section


class ContextMix(Section):
    """Contexts of a step, and questions about each context."""

    facts: int = Field(4, ge=0, description="Generated fact documents per step.")
    questions: int = Field(2, ge=0, description="Natural passages with questions per step.")
    niah: int = Field(2, ge=0, description="Needle-in-a-haystack contexts per step.")
    questions_path: Path | None = Field(None, description="JSON lines file or folder of natural passages.")
    questions_per_context: int = Field(6, gt=0, description="Maximum number of questions per context.")
    max_context_chars: int = Field(1800, gt=0, description="Maximum length of natural passages, in characters.")
    max_answer_chars: int = Field(80, gt=0, description="Maximum length of natural answers, in characters.")
    niah_min_tokens: int = Field(36, gt=0, description="Shortest needle context, in tokens.")
    niah_max_tokens: int = Field(256, gt=0, description="Longest needle context, in tokens.")

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.niah_min_tokens > self.niah_max_tokens:
            raise ValueError(
                f"niah_min_tokens {self.niah_min_tokens} is above niah_max_tokens {self.niah_max_tokens}; "
                "lower niah_min_tokens"
            )
        return self


class TaskData(Section):
    """Tasks and batches."""

    suite: bool = Field(True, description="Train on the generated suite.")
    drawn_tasks: int = Field(
        0, ge=0, description="Number of generated tasks whose words, marks and labels are new in every task."
    )
    written_tasks: bool = Field(False, description="Add the 80 ordinary requests that were written for lorify.")
    tasks_path: Path | None = Field(None, description="JSON file or folder of further tasks.")
    wordings: bool = Field(
        False,
        description="Add wordings to the published tasks in tasks_path (P3, Super-NaturalInstructions, CLINC150, "
        "Banking77), and leave out those whose answers cannot be learned.",
    )
    heldout_tasks: tuple[str, ...] = Field(
        (), description="Names, families and source data sets of tasks in tasks_path that are held out."
    )
    questions_path: Path | None = Field(
        None, description="JSON lines of context, question and answers; adds the task of writing such questions."
    )
    follow_ups: bool = Field(False, description="Add the task of rewriting follow-ups so that they stand alone.")
    follow_ups_path: Path | None = Field(
        None, description="JSON file of follow-ups written by people, as CANARD's, for follow_ups."
    )
    only_sni_training: bool = Field(
        False, description="Of Super-NaturalInstructions, train only on the 479 tasks of the paper."
    )
    eval_tasks_path: Path | None = Field(
        None, description="Tasks for evaluation; training instances that overlap are dropped."
    )
    heldout_family_share: float = Field(
        0.1, ge=0, lt=1, description="Share of the families in tasks_path that is held out."
    )
    prompts: Literal["input", "published"] = Field(
        "input",
        description="input: the prompt is the input alone; published: Text-to-LoRA's, with the definition, its chat "
        "and all answers of an instance as one.",
    )
    adapter_from: Literal["description", "prompt"] = Field(
        "description",
        description="Text that an instance's adapter is generated from: the task's description, or (the baseline "
        "Hyperdecoders) the instance's own prompt.",
    )
    heldout_description_share: float = Field(
        HELDOUT_DESCRIPTION_SHARE, ge=0, lt=1, description="Share of each task's descriptions that is held out."
    )
    heldout_instance_share: float = Field(
        HELDOUT_INSTANCE_SHARE, ge=0, lt=1, description="Share of each task's instances that is held out."
    )
    max_descriptions: int | None = Field(
        None, gt=0, description="Number of descriptions of each task to train on, the first ones; null: all."
    )
    max_tasks: int | None = Field(None, gt=0, description="Number of tasks to train on, drawn by the seed; null: all.")
    hierarchical: bool = Field(
        True, description="Draw a family, then one of its tasks; otherwise all tasks are equally likely."
    )
    tasks_per_batch: int = Field(8, gt=0, description="Tasks per batch.")
    descriptions_per_task: int = Field(1, gt=0, description="Descriptions of each task in a batch.")
    instances_per_description: int = Field(4, gt=0, description="Instances for each description.")
    rewording: bool = Field(
        False, description="Reword each description every time it is used (runs of kind system_message)."
    )
    max_instance_tokens: int = Field(
        160, gt=0, description="Maximum length of an instance (input and answer), in tokens."
    )
    long_instances: Literal["drop", "truncate"] = Field(
        "drop", description="Drop longer instances, or truncate the longer one of prompt and answer at its beginning."
    )
    task_order: Literal["random", "epochs"] = Field(
        "random",
        description="random: every draw is independent; epochs: each task comes once before any comes again, and an "
        "incomplete batch is left out.",
    )
    split_batches: bool = Field(
        False, description="Divide each batch over the processes, instead of a batch for each process."
    )

    @model_validator(mode="after")
    def _orders_agree(self) -> Self:
        if self.hierarchical and self.task_order == "epochs":
            raise ValueError("task_order epochs draws tasks without their families; set hierarchical to false")
        return self

    def refuse_adapters_from_prompts(self, kind: str) -> None:
        """Refuse `adapter_from: prompt` in a kind of run that cannot do it.

        Raises:
            ValueError: if it is set.
        """
        if self.adapter_from == "prompt":
            raise ValueError(f"data.adapter_from prompt is for runs of kind task, not {kind}; set it to description")
