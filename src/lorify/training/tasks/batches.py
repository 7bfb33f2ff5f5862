"""Batches of tasks: which tasks, which of their descriptions, which instances. Batch n of a seed is always the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from lorify.base.chat import build_prompt_ids, question_messages
from lorify.base.model import BaseLM
from lorify.data.tasks.rewording import reword
from lorify.data.tasks.schema import Instance, Task, split_descriptions, split_instances
from lorify.errors import TrainingError
from lorify.hypernets.training_data import TaskData
from lorify.training.engine.packing import Segment


@dataclass(frozen=True)
class TaskBatch:
    """One batch.

    Attributes:
        rows: instances of each row, to be answered with one adapter.
        tasks: name of each row's task.
        descriptions: description that each row's adapter is generated from.
    """

    rows: list[list[Segment]]
    tasks: list[str]
    descriptions: list[str]


@dataclass(frozen=True)
class _Prepared:
    """The descriptions and instances of a task that a sampler draws from."""

    name: str
    family: str
    descriptions: tuple[str, ...]
    instances: tuple[Instance, ...]


class TaskSampler:
    """Builds batch n from the seed alone, so that a resumed run sees the same data."""

    def __init__(
        self, data: TaskData, base: BaseLM, tasks: Sequence[Task], *, seed: int, heldout: bool = False
    ) -> None:
        """Draw from tasks.

        Args:
            data: settings of the batches.
            base: the base, whose tokenizer and chat template the instances use.
            tasks: the tasks.
            seed: seed of the batches.
            heldout: draw held-out instances and unseen descriptions of the tasks.

        Raises:
            TrainingError: if no instance is short enough.
        """
        self.data, self.base, self.seed, self.heldout = data, base, seed, heldout
        # Any of them ends the turn; the lowest id is the same in every run.
        self.end_of_answer = min(base.stop_ids)
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
        """All descriptions that batches can contain."""
        return list(dict.fromkeys(text for task in self.tasks for text in task.descriptions))

    def build(self, batch: int) -> TaskBatch:
        """Build batch `batch`: random tasks for training; held-out batches take all tasks in turn."""
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
    """Tokenize an instance: the prompt holds the input only, since the adapter holds the task."""
    prompt = build_prompt_ids(base.tokenizer, question_messages(instance.input))
    return Segment(tuple(prompt), (*base.encode_text(instance.outputs[0]), end_of_answer))


def _prepare(task: Task, base: BaseLM, max_tokens: int, *, heldout: bool) -> _Prepared:
    instances, descriptions = split_instances(task)[heldout], split_descriptions(task)[heldout]
    # One call is many times faster than one for each text. The chat template's own tokens do not count.
    texts = [text for instance in instances for text in (instance.input, instance.outputs[0])]
    lengths = [len(ids) for ids in base.tokenizer(texts, add_special_tokens=False)["input_ids"]]
    totals = (sum(pair) for pair in zip(lengths[::2], lengths[1::2], strict=True))
    short = tuple(i for i, total in zip(instances, totals, strict=True) if total <= max_tokens)
    return _Prepared(task.name, task.family, descriptions, short)
