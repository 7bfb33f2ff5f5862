"""Tasks: what to do, in several wordings, with instances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lorify.errors import EvaluationError

Metric = Literal[
    "exact",
    "normalized",
    "number",
    "f1",
    "rouge_l",
    "qa_f1",
    "rouge_l_stemmed",
    "contained",
    "quantity",
    "verdict",
    "listed",
    "word_recall",
    "key_points",
    "declined",
    "choice",
    "boolean",
    "last_number",
    "program",
    "json_value",
    "json_words",
    "induction_exact",
    "induction_f1",
    "induction_set",
    "induction_contains",
]
"""Metrics of answers: exact match; match ignoring case, punctuation and articles; match of the last number; token
F1; ROUGE-L; word F1 and ROUGE-L as in the evaluation of Doc-to-LoRA. Others are for answers in people's words
(`lorify.evaluation.scoring.free_answers`), for Text-to-LoRA's benchmarks
(`lorify.evaluation.scoring.benchmark_answers`), for values in JSON (`lorify.evaluation.scoring.json_values`) and for
instruction induction (`lorify.evaluation.scoring.instruction_induction`)."""


@dataclass(frozen=True)
class Instance:
    """An instance of a task.

    Attributes:
        input: the input.
        outputs: acceptable answers; the first is the training target.
        choices: all possible answers, if they are few.
    """

    input: str
    outputs: tuple[str, ...]
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        name: unique name.
        definition: what to do, as published with the task.
        descriptions: wordings of the task; just the definition if there are no others.
        instances: inputs with answers.
        metric: how answers are scored.
        family: name of its family; train-test splits keep families of similar tasks together.
        source: data set or generator, for reports.
    """

    name: str
    definition: str
    descriptions: tuple[str, ...]
    instances: tuple[Instance, ...]
    metric: Metric
    family: str
    source: str


HELDOUT_DESCRIPTION_SHARE = 0.25
HELDOUT_INSTANCE_SHARE = 0.2


def split_descriptions(
    task: Task, heldout_share: float = HELDOUT_DESCRIPTION_SHARE
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split off the last descriptions for evaluation; if there are too few, all are used for both purposes."""
    num_unseen = int(heldout_share * len(task.descriptions))
    if not num_unseen:
        return task.descriptions, task.descriptions
    return task.descriptions[:-num_unseen], task.descriptions[-num_unseen:]


def split_instances(
    task: Task, heldout_share: float = HELDOUT_INSTANCE_SHARE
) -> tuple[tuple[Instance, ...], tuple[Instance, ...]]:
    """Split off the last instances, at least one, for evaluation; the others serve for training and as examples.

    With a share of 0, all instances are used for both purposes.

    Raises:
        EvaluationError: if the task has fewer than two instances, and the share is above 0.
    """
    if heldout_share == 0:
        return task.instances, task.instances
    if len(task.instances) < 2:
        raise EvaluationError(
            f"task {task.name} has one instance; expected at least two, for training and for evaluation"
        )
    num_heldout = max(1, round(heldout_share * len(task.instances)))
    return task.instances[:-num_heldout], task.instances[-num_heldout:]


@dataclass(frozen=True)
class MeasuredTask:
    """A task, with the instances and descriptions to measure.

    Attributes:
        task: the task.
        shown: instances that examples in the prompt are drawn from.
        measured: instances to evaluate.
        descriptions: descriptions that adapters are generated from.
    """

    task: Task
    shown: tuple[Instance, ...]
    measured: tuple[Instance, ...]
    descriptions: tuple[str, ...]


def split_task(task: Task) -> MeasuredTask:
    """Choose the descriptions and instances that training holds out: the last ones."""
    return MeasuredTask(task, *split_instances(task), split_descriptions(task)[1])
