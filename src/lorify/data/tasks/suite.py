"""Generated tasks that a small base can learn, in families; whole families are held out for evaluation.

Tasks, descriptions and instances are the same in every call and process.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

from lorify.data.tasks.families.registry import drawn_tasks, fixed_tasks
from lorify.data.tasks.schema import Instance, Task
from lorify.data.tasks.spec import TaskSpec
from lorify.data.tasks.templates import add_frame, draw_descriptions

UNSEEN_FAMILIES = frozenset({"brackets", "greetings", "messages", "dates", "votes", "topic questions"})
"""Families that are never trained on. Trained families contain similar requests in other forms."""

NUM_INSTANCES = 240
NUM_DRAWN_INSTANCES = 24
"""Number of instances per task of a drawn family; few, because there is no limit to the number of tasks."""

SOURCE = "suite"
_DRAWS_PER_INSTANCE = 4


@cache
def task_suite() -> tuple[Task, ...]:
    """Return all tasks of the fixed families."""
    return tuple(_build_task(spec, NUM_INSTANCES) for spec in fixed_tasks())


@cache
def drawn_suite_tasks(count: int) -> tuple[Task, ...]:
    """Return the first `count` tasks of the drawn families, for training."""
    tasks = (_build_task(spec, NUM_DRAWN_INSTANCES) for spec in drawn_tasks(count))
    return tuple(replace(task, descriptions=_add_frames(task)) for task in tasks)


def suite_training_tasks() -> list[Task]:
    """Return the tasks of the families to train on."""
    return [task for task in task_suite() if task.family not in UNSEEN_FAMILIES]


def suite_unseen_tasks() -> list[Task]:
    """Return the tasks of the families to evaluate on."""
    return [task for task in task_suite() if task.family in UNSEEN_FAMILIES]


def _add_frames(task: Task) -> tuple[str, ...]:
    rng = random.Random(f"frames/{task.name}")
    return tuple(add_frame(text, rng) for text in task.descriptions)


def _build_task(spec: TaskSpec, num_instances: int) -> Task:
    descriptions = draw_descriptions(spec)
    return Task(
        name=spec.name,
        definition=descriptions[0],
        descriptions=descriptions,
        instances=_draw_instances(spec, num_instances),
        metric="exact",
        family=spec.family,
        source=SOURCE,
    )


def _draw_instances(spec: TaskSpec, count: int) -> tuple[Instance, ...]:
    """Draw instances with different inputs; a few tasks have fewer than `count` possible inputs."""
    rng = random.Random(f"instances/{spec.name}")
    answers: dict[str, str] = {}
    for _ in range(_DRAWS_PER_INSTANCE * count):
        text, answer = spec.draw_instance(rng)
        answers.setdefault(text, answer)
        if len(answers) == count:
            break
    return tuple(Instance(text, (answer,), spec.choices) for text, answer in answers.items())
