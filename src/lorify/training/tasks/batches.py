"""Batches of tasks: which tasks, which of their descriptions, which instances. Batch n of a seed is always the same."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from lorify.base.chat import build_prompt_ids, question_messages, stop_token_ids
from lorify.base.model import BaseLM
from lorify.data.cloze.question_writing import question_writing_tasks
from lorify.data.sources.questions import load_question_examples, split_by_passage
from lorify.data.tasks.decontamination import decontaminate, instance_text
from lorify.data.tasks.files import load_tasks
from lorify.data.tasks.rewording import reword
from lorify.data.tasks.schema import Instance, Task, split_descriptions, split_instances
from lorify.data.tasks.sni import sni_number, sni_training_tasks
from lorify.data.tasks.suite import SOURCE, drawn_suite_tasks, suite_training_tasks, suite_unseen_tasks
from lorify.errors import TrainingError
from lorify.hypernets.training_data import TaskData
from lorify.training.engine.packing import Segment

MAX_PASSAGE_CHARS = 1100


@dataclass(frozen=True)
class TaskBatch:
    """One batch.

    Attributes:
        rows: the instances of each row, to be answered with one adapter.
        tasks: name of each row's task.
        descriptions: what each row's adapter is made of.
    """

    rows: list[list[Segment]]
    tasks: list[str]
    descriptions: list[str]


@dataclass(frozen=True)
class _Prepared:
    """What a sampler draws from of a task."""

    name: str
    family: str
    descriptions: tuple[str, ...]
    instances: tuple[Instance, ...]


def prepare_tasks(data: TaskData, seed: int) -> tuple[list[Task], list[Task]]:
    """Tasks to train on, and tasks of other families to measure on.

    Raises:
        EvaluationError: if a task file is missing or broken.
        TrainingError: if there is no task to train on.
    """
    train = [*(suite_training_tasks() if data.suite else ()), *drawn_suite_tasks(data.drawn_tasks)]
    unseen = suite_unseen_tasks() if data.suite else []
    for task in load_tasks(data.tasks_path) if data.tasks_path is not None else []:
        (unseen if _share(task.family) < data.heldout_family_share else train).append(task)
    if data.questions_path is not None:
        passages = load_question_examples(data.questions_path, max_context_chars=MAX_PASSAGE_CHARS)
        train += question_writing_tasks(split_by_passage(passages)[0], seed)
    if data.only_sni_training:
        train = [task for task in train if (number := sni_number(task)) is None or number in sni_training_tasks()]
    measured = [*unseen, *(load_tasks(data.eval_tasks_path) if data.eval_tasks_path is not None else [])]
    foreign = [task for task in train if task.source != SOURCE]
    if foreign and measured:  # the suite's families are apart by construction
        kept, _ = decontaminate(foreign, [instance_text(i) for task in measured for i in task.instances])
        train = [task for task in train if task.source == SOURCE] + kept
    train = [task for task in train if len(task.instances) > 1]
    if not train:
        raise TrainingError(
            "there is no task to train on; set data.suite to true, data.drawn_tasks above 0, data.tasks_path to a "
            "folder of tasks or data.questions_path to questions"
        )
    if data.max_tasks is not None and data.max_tasks < len(train):
        train = random.Random(f"{seed}/tasks").sample(train, data.max_tasks)
    return train, [task for task in unseen if len(task.instances) > 1]


class TaskSampler:
    """Builds batch n from the seed alone, so that a resumed run sees the same data."""

    def __init__(
        self, data: TaskData, base: BaseLM, tasks: Sequence[Task], *, seed: int, heldout: bool = False
    ) -> None:
        """Draw from `tasks`; with `heldout`, from their held-out instances and unseen descriptions.

        Raises:
            TrainingError: if no instance is short enough.
        """
        self.data, self.base, self.seed, self.heldout = data, base, seed, heldout
        # Any end of turn will do; the lowest is the same every time.
        self.end_of_answer = min(stop_token_ids(base.tokenizer, base.model.generation_config))
        prepared = [_prepare(task, base, data.max_instance_tokens, heldout=heldout) for task in tasks]
        self.tasks = [task for task in prepared if task.instances]
        if not self.tasks:
            raise TrainingError(
                f"no instance has at most {data.max_instance_tokens} tokens; raise data.max_instance_tokens"
            )
        families: dict[str, list[_Prepared]] = {}
        for task in self.tasks:
            families.setdefault(task.family, []).append(task)
        self.families = list(families.values())

    @property
    def descriptions(self) -> list[str]:
        """All descriptions that batches can have."""
        return list(dict.fromkeys(text for task in self.tasks for text in task.descriptions))

    def build(self, batch: int) -> TaskBatch:
        """Batch `batch`: drawn to train on; in turn, all tasks alike, where it is held out."""
        rng = random.Random(f"{self.seed}/{'heldout' if self.heldout else 'train'}/{batch}")
        rows, names, descriptions = [], [], []
        for task in self._choose(rng, batch):
            for text in rng.sample(task.descriptions, min(len(task.descriptions), self.data.descriptions_per_task)):
                count = min(len(task.instances), self.data.instances_per_description)
                chosen = rng.sample(task.instances, count)
                rows.append([task_segment(instance, self.base, self.end_of_answer) for instance in chosen])
                names.append(task.name)
                descriptions.append(reword(text, rng) if self.data.rewording and not self.heldout else text)
        return TaskBatch(rows, names, descriptions)

    def _choose(self, rng: random.Random, batch: int) -> list[_Prepared]:
        size = min(self.data.tasks_per_batch, len(self.tasks))
        if self.heldout:
            in_turn = random.Random(f"{self.seed}/order").sample(self.tasks, len(self.tasks))
            return [in_turn[(batch * size + i) % len(in_turn)] for i in range(size)]
        if not self.data.hierarchical:
            return rng.sample(self.tasks, size)
        chosen: dict[str, _Prepared] = {}
        while len(chosen) < size:
            task = rng.choice(rng.choice(self.families))
            chosen[task.name] = task
        return list(chosen.values())


def task_segment(instance: Instance, base: BaseLM, end_of_answer: int) -> Segment:
    """An instance as prompt and answer: the input alone is in the prompt, the task is in the adapter."""
    prompt = build_prompt_ids(base.tokenizer, question_messages(instance.input))
    return Segment(tuple(prompt), (*base.encode_text(instance.outputs[0]), end_of_answer))


def _prepare(task: Task, base: BaseLM, max_tokens: int, *, heldout: bool) -> _Prepared:
    instances, descriptions = split_instances(task)[heldout], split_descriptions(task)[heldout]
    # All at once, which is many times faster; the chat's own tokens are the same for every instance and do not count.
    texts = [text for instance in instances for text in (instance.input, instance.outputs[0])]
    lengths = [len(ids) for ids in base.tokenizer(texts, add_special_tokens=False)["input_ids"]]
    totals = (sum(pair) for pair in zip(lengths[::2], lengths[1::2], strict=True))
    short = tuple(i for i, total in zip(instances, totals, strict=True) if total <= max_tokens)
    return _Prepared(task.name, task.family, descriptions, short)


def _share(family: str) -> float:
    """A number in [0, 1) that depends on the family's name only, so that added tasks move no other."""
    return int.from_bytes(hashlib.sha256(family.encode()).digest()[:6]) / 2**48
