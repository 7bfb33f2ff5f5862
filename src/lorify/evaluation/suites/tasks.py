"""The suite of tasks: held-out inputs of tasks, with descriptions that training never saw."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, model_validator

from lorify.base.chat import Message
from lorify.base.model import BaseLM
from lorify.data.examples import Question
from lorify.data.tasks.files import load_tasks
from lorify.data.tasks.schema import Instance, Task, split_descriptions, split_instances
from lorify.data.tasks.suite import suite_training_tasks, suite_unseen_tasks
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case, TaskContext
from lorify.facade import Lorify

NUM_SHOTS = 3
SPARE_TOKENS = 4
NOISE_CHARACTERS = 60


class TasksSuite(Suite):
    """Tasks and descriptions that training never saw; each seed draws other descriptions, inputs and examples."""

    name = "tasks"
    kind = "tasks"
    default_methods = "none,description,three_shot,adapter,mismatched,random"
    max_new_tokens = 256
    path: Path | None = Field(
        None, description="Task file or folder; by default the unseen tasks of the generated suite."
    )
    seen: bool = Field(False, description="Use the training tasks of the generated suite, with held-out inputs.")
    instances: int = Field(8, ge=1, description="Inputs of each task for each seed.")
    seeds: int = Field(3, ge=1, description="Number of seeds, counted from 0.")

    @model_validator(mode="after")
    def _one_source(self) -> TasksSuite:
        if self.path is not None and self.seen:
            raise ValueError("path and seen exclude each other; give one of them")
        return self

    def build(self, model: Lorify) -> list[Case]:
        """Draw inputs and descriptions, one case for each task and seed."""
        if self.path is not None:
            tasks = load_tasks(self.path)
        else:
            tasks = suite_training_tasks() if self.seen else suite_unseen_tasks()
        return [self._case(model.base, task, tasks, seed) for task in tasks for seed in range(self.seeds)]

    def _case(self, base: BaseLM, task: Task, tasks: list[Task], seed: int) -> Case:
        shown, heldout = split_instances(task)
        drawn = random.Random(f"{seed}/{task.name}").sample(heldout, min(self.instances, len(heldout)))
        context = _draw_context(task, tasks, shown, seed)
        longest = max(len(base.encode_text(output)) for instance in drawn for output in instance.outputs)
        return Case(
            id=f"{task.name}/{seed}",
            documents=(),
            questions=tuple(Question(instance.input, instance.outputs) for instance in drawn),
            source="tasks",
            length_tokens=len(base.encode_text(context.description)),
            task=context,
            metric=task.metric,
            max_new_tokens=longest + SPARE_TOKENS,
        )


def _draw_context(task: Task, tasks: list[Task], shown: Sequence[Instance], seed: int) -> TaskContext:
    unseen = split_descriptions(task)[1]
    rng = random.Random(f"{seed}/{task.name}/description")
    others = [other for other in tasks if other.family != task.family] or [o for o in tasks if o is not task]
    mismatched = rng.choice(split_descriptions(rng.choice(others))[1]) if others else None
    noise = "".join(rng.choice(string.ascii_letters + string.digits + " ") for _ in range(NOISE_CHARACTERS)).strip()
    examples = random.Random(f"{seed}/{task.name}/examples").sample(shown, min(NUM_SHOTS, len(shown)))
    return TaskContext(
        name=task.name,
        family=task.family,
        seed=seed,
        description=unseen[seed % len(unseen)],
        mismatched=mismatched,
        noise=noise,
        examples=tuple(turn for example in examples for turn in _turns(example.input, example.outputs[0])),
    )


def _turns(question: str, answer: str) -> tuple[Message, Message]:
    return {"role": "user", "content": question}, {"role": "assistant", "content": answer}
