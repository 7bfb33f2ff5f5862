"""Batches of tasks with their descriptions and instances. Batch n of a seed is always the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from lorify.base.chat.prompts import build_prompt_ids, question_messages
from lorify.base.model import BaseLM
from lorify.data.tasks.published.prompts import published_answer, published_chat_ids, published_question, truncate_pair
from lorify.data.tasks.rewording import reword
from lorify.data.tasks.schema import Instance, Task, split_descriptions, split_instances
from lorify.errors import TrainingError
from lorify.hypernets.training_data import TaskData
from lorify.training.engine.packing import Segment


@dataclass(frozen=True)
class TaskBatch:
    """One batch.

    Attributes:
        rows: instances of each row, answered with the same adapter.
        tasks: name of each row's task.
        descriptions: description that each row's adapter is generated from.
    """

    rows: list[list[Segment]]
    tasks: list[str]
    descriptions: list[str]


@dataclass(frozen=True)
class _Prepared:
    """The descriptions and instances of a task that a sampler draws from."""

    task: Task
    descriptions: tuple[str, ...]
    instances: tuple[Instance, ...]


class TaskSampler:
    """Builds batch n from the seed alone, so that a resumed run sees the same data."""

    def __init__(
        self,
        data: TaskData,
        base: BaseLM,
        tasks: Sequence[Task],
        *,
        seed: int,
        heldout: bool = False,
        num_processes: int = 1,
    ) -> None:
        """Draw from tasks.

        Args:
            data: settings of the batches.
            base: the base, whose tokenizer and chat template the instances use.
            tasks: the tasks.
            seed: seed of the batches.
            heldout: draw held-out instances and unseen descriptions of the tasks.
            num_processes: processes of the run, over which a batch is split if `data.split_batches` is set.

        Raises:
            TrainingError: if no instance is short enough, there are too few tasks for a batch of an epoch, or a batch
                cannot be split.
        """
        self.data, self.base, self.seed, self.heldout = data, base, seed, heldout
        self.tokenizer = InstanceTokenizer(base, data)
        prepared = [_prepare(task, base, data, heldout=heldout) for task in tasks]
        self.prepared = [task for task in prepared if task.instances]
        if not self.prepared:
            raise TrainingError(
                f"no instance has at most {data.max_instance_tokens} tokens; raise data.max_instance_tokens"
            )
        self.num_parts = num_processes if data.split_batches and not heldout else 1
        self._check_sizes()
        families: dict[str, list[_Prepared]] = {}
        for task in self.prepared:
            families.setdefault(task.task.family, []).append(task)
        self.families = list(families.values())

    @property
    def tasks(self) -> list[Task]:
        """The tasks that batches can contain."""
        return [prepared.task for prepared in self.prepared]

    @property
    def descriptions(self) -> list[str]:
        """All descriptions that batches can contain; none if adapters come from the prompts."""
        if self.data.adapter_from == "prompt":
            return []
        return list(dict.fromkeys(text for task in self.prepared for text in task.descriptions))

    def build(self, batch: int) -> TaskBatch:
        """Build batch `batch`: random tasks for training; held-out batches go through all tasks in turn."""
        number, part = divmod(batch, self.num_parts)
        rng = random.Random(f"{self.seed}/{'heldout' if self.heldout else 'train'}/{number}")
        drawn = [row for task in self._choose(rng, number) for row in self._draw_rows(task, rng)]
        drawn = drawn[part :: self.num_parts]
        return TaskBatch(
            rows=[[self.tokenizer.segment(task.task, instance) for instance in chosen] for task, chosen, _ in drawn],
            tasks=[task.task.name for task, _, _ in drawn],
            descriptions=[text for _, _, text in drawn],
        )

    def _draw_rows(self, task: _Prepared, rng: random.Random) -> list[tuple[_Prepared, list[Instance], str]]:
        """Draw the rows of a task, each with the text that its adapter is generated from."""
        data, rows = self.data, []
        for text in rng.sample(task.descriptions, min(len(task.descriptions), data.descriptions_per_task)):
            chosen = rng.sample(task.instances, min(len(task.instances), data.instances_per_description))
            if data.adapter_from == "prompt":
                rows += [(task, [instance], self.tokenizer.question(task.task, instance)) for instance in chosen]
            else:
                rows.append((task, chosen, reword(text, rng) if data.rewording and not self.heldout else text))
        return rows

    def _choose(self, rng: random.Random, batch: int) -> list[_Prepared]:
        size = min(self.data.tasks_per_batch, len(self.prepared))
        if self.heldout:
            in_turn = random.Random(f"{self.seed}/order").sample(self.prepared, len(self.prepared))
            return [in_turn[(batch * size + i) % len(in_turn)] for i in range(size)]
        if self.data.task_order == "epochs":
            epoch, index = divmod(batch, len(self.prepared) // size)
            order = random.Random(f"{self.seed}/epoch/{epoch}").sample(self.prepared, len(self.prepared))
            return order[index * size : (index + 1) * size]
        if not self.data.hierarchical:
            return rng.sample(self.prepared, size)
        chosen: dict[str, _Prepared] = {}
        while len(chosen) < size:
            task = rng.choice(rng.choice(self.families))
            chosen[task.task.name] = task
        return list(chosen.values())

    def _check_sizes(self) -> None:
        size = min(self.data.tasks_per_batch, len(self.prepared)) * self.data.descriptions_per_task
        if size % self.num_parts:
            raise TrainingError(
                f"a batch of {size} descriptions cannot be divided over {self.num_parts} processes; change "
                "data.tasks_per_batch, set data.split_batches to false, or start another number of processes"
            )


class InstanceTokenizer:
    """Writes the prompts and answers of instances in the format given by `TaskData.prompts`."""

    def __init__(self, base: BaseLM, data: TaskData) -> None:
        """Use a base's tokenizer."""
        self.base, self.data = base, data
        # Any of them ends the turn; the lowest id is deterministic.
        self.end_of_answer = min(base.stop_ids)

    def question(self, task: Task, instance: Instance) -> str:
        """Write the user turn of an instance."""
        return published_question(task, instance) if self.data.prompts == "published" else instance.input

    def segment(self, task: Task, instance: Instance) -> Segment:
        """Tokenize an instance."""
        if self.data.prompts == "published":
            prompt, answer = published_chat_ids(self.base, self.question(task, instance), published_answer(instance))
        else:  # the prompt holds only the input, since the adapter holds the task
            prompt = build_prompt_ids(self.base.tokenizer, question_messages(instance.input))
            answer = [*self.base.encode_text(instance.outputs[0]), self.end_of_answer]
        if self.data.long_instances == "truncate":
            prompt, answer = truncate_pair(prompt, answer, self.data.max_instance_tokens)
        return Segment(tuple(prompt), tuple(answer))


def training_descriptions(task: Task, data: TaskData) -> tuple[str, ...]:
    """Return the descriptions of a task to train on."""
    return split_descriptions(task, data.heldout_description_share)[0][: data.max_descriptions]


def _prepare(task: Task, base: BaseLM, data: TaskData, *, heldout: bool) -> _Prepared:
    instances = split_instances(task, data.heldout_instance_share)[heldout]
    unseen = split_descriptions(task, data.heldout_description_share)[1]
    descriptions = unseen if heldout else training_descriptions(task, data)
    if data.long_instances == "truncate":
        return _Prepared(task, descriptions, instances)
    # One call is many times faster than one per text. The chat template's own tokens do not count.
    texts = [text for instance in instances for text in (instance.input, instance.outputs[0])]
    lengths = [len(ids) for ids in base.tokenizer(texts, add_special_tokens=False)["input_ids"]]
    totals = (sum(pair) for pair in zip(lengths[::2], lengths[1::2], strict=True))
    short = tuple(i for i, total in zip(instances, totals, strict=True) if total <= data.max_instance_tokens)
    return _Prepared(task, descriptions, short)
