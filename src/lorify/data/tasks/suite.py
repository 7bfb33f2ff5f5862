"""Generated tasks that a small base can learn, in families, of which whole ones are kept for measuring.

The same tasks, wordings and instances come from every call, in every process.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

from lorify.data.tasks.families.drawn import drawn_tasks
from lorify.data.tasks.families.form import form_tasks
from lorify.data.tasks.families.meaning import meaning_tasks
from lorify.data.tasks.schema import Instance, Task
from lorify.data.tasks.wording import TaskSpec, describe, framed

UNSEEN_FAMILIES = frozenset({"brackets", "greetings", "messages", "dates", "votes", "topic questions"})
"""Families that are never trained on. Each asks for something that trained families ask for in other forms."""

NUM_INSTANCES = 240
NUM_DRAWN_INSTANCES = 24
"""Of a task of a drawn family: there are as many such tasks as are wanted."""

_DRAWS_PER_INSTANCE = 4
SOURCE = "suite"


@cache
def task_suite() -> tuple[Task, ...]:
    """All generated tasks."""
    return tuple(_make_task(spec, NUM_INSTANCES) for spec in (*form_tasks(), *meaning_tasks()))


@cache
def drawn_suite_tasks(count: int) -> tuple[Task, ...]:
    """So many tasks of the drawn families, to train on."""
    tasks = (_make_task(spec, NUM_DRAWN_INSTANCES) for spec in drawn_tasks(count))
    return tuple(replace(task, descriptions=_framed(task)) for task in tasks)


def suite_training_tasks() -> list[Task]:
    """Tasks of the families to train on."""
    return [task for task in task_suite() if task.family not in UNSEEN_FAMILIES]


def suite_unseen_tasks() -> list[Task]:
    """Tasks of the families to measure on."""
    return [task for task in task_suite() if task.family in UNSEEN_FAMILIES]


def _framed(task: Task) -> tuple[str, ...]:
    rng = random.Random(f"frames/{task.name}")
    return tuple(framed(text, rng) for text in task.descriptions)


def _make_task(spec: TaskSpec, num_instances: int) -> Task:
    rng = random.Random(f"instances/{spec.name}")
    made: dict[str, str] = {}  # few tasks have fewer different inputs than are wanted; those give what they have
    for _ in range(_DRAWS_PER_INSTANCE * num_instances):
        text, answer = spec.make(rng)
        made.setdefault(text, answer)
        if len(made) == num_instances:
            break
    descriptions = describe(spec)
    return Task(
        name=spec.name,
        definition=descriptions[0],
        descriptions=descriptions,
        instances=tuple(Instance(text, (answer,), spec.choices) for text, answer in made.items()),
        metric="exact",
        family=spec.family,
        source=SOURCE,
    )
