"""Select the tasks that a run trains on and holds out."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable

from lorify.data.cloze.question_writing import question_writing_tasks
from lorify.data.follow_ups.tasks import follow_up_tasks
from lorify.data.sources.questions import load_question_examples
from lorify.data.sources.splits import split_by_passage
from lorify.data.tasks.decontamination import decontaminate, instance_text
from lorify.data.tasks.files import load_tasks
from lorify.data.tasks.published.natural import place_task
from lorify.data.tasks.published.sni import sni_number, sni_training_tasks
from lorify.data.tasks.schema import Task
from lorify.data.tasks.suite import SOURCE, drawn_suite_tasks, suite_training_tasks, suite_unseen_tasks
from lorify.data.tasks.wordings import with_wordings
from lorify.data.tasks.written import written_tasks
from lorify.errors import TrainingError
from lorify.hypernets.training_data import TaskData

MAX_PASSAGE_CHARS = 1100


def select_tasks(data: TaskData, seed: int) -> tuple[list[Task], list[Task]]:
    """Read and generate the tasks to train on, and tasks of other families to evaluate on.

    Raises:
        EvaluationError: if a task file is missing or broken.
        TrainingError: if there is no task to train on.
    """
    train = [*(suite_training_tasks() if data.suite else ()), *drawn_suite_tasks(data.drawn_tasks)]
    unseen = suite_unseen_tasks() if data.suite else []
    train += written_tasks() if data.written_tasks else ()
    heldout, others = _published_tasks(data)
    unseen += heldout
    train += others
    if data.questions_path is not None:
        passages = load_question_examples(data.questions_path, max_context_chars=MAX_PASSAGE_CHARS)
        train += question_writing_tasks(split_by_passage(passages)[0], seed)
    if data.follow_ups:
        train += follow_up_tasks(data.follow_ups_path, seed)
    if data.only_sni_training:
        train = [task for task in train if (number := sni_number(task)) is None or number in sni_training_tasks()]
    eval_tasks = load_tasks(data.eval_tasks_path) if data.eval_tasks_path is not None else []
    train = _without_overlap(train, [*unseen, *eval_tasks])
    train = [task for task in train if len(task.instances) > 1]
    if not train:
        raise TrainingError(
            "there is no task to train on; set data.suite or data.written_tasks to true, data.drawn_tasks above 0, "
            "data.tasks_path to a folder of tasks, data.questions_path to questions or data.follow_ups to true"
        )
    if data.max_tasks is not None and data.max_tasks < len(train):
        train = random.Random(f"{seed}/tasks").sample(train, data.max_tasks)
    return train, [task for task in unseen if len(task.instances) > 1]


def _published_tasks(data: TaskData) -> tuple[list[Task], list[Task]]:
    """Read the tasks of `tasks_path`: the held-out ones and the others."""
    tasks = load_tasks(data.tasks_path) if data.tasks_path is not None else []
    known = {task.name: {task.name, task.family, (placed := place_task(task)).source, placed.family} for task in tasks}
    if missing := set(data.heldout_tasks) - set().union(*known.values()):
        raise TrainingError(
            f"data.heldout_tasks names {', '.join(sorted(missing))}, which {data.tasks_path} does not have; name "
            "tasks, families or data sets of it"
        )
    heldout, others = [], []
    for task in tasks:
        is_heldout = bool(known[task.name] & set(data.heldout_tasks))
        (heldout if is_heldout or _family_position(task.family) < data.heldout_family_share else others).append(task)
    return heldout, with_wordings(others) if data.wordings else others


def _without_overlap(train: list[Task], evaluated: Iterable[Task]) -> list[Task]:
    """Drop training instances that overlap with evaluated tasks; the suite's own families never overlap."""
    instances = [instance_text(instance) for task in evaluated for instance in task.instances]
    foreign = [task for task in train if task.source != SOURCE]
    if not (foreign and instances):
        return train
    kept, _ = decontaminate(foreign, instances)
    return [task for task in train if task.source == SOURCE] + kept


def _family_position(family: str) -> float:
    """A number in [0, 1) that depends only on the family's name, so that adding tasks moves no other family."""
    return int.from_bytes(hashlib.sha256(family.encode()).digest()[:6]) / 2**48
