"""Cases of tasks: inputs and descriptions drawn by a seed, with what every method for tasks needs."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from lorify.base.chat.prompts import Message
from lorify.base.model import BaseLM
from lorify.data.examples import Question
from lorify.data.tasks.schema import MeasuredTask
from lorify.evaluation.suites.api import Suite
from lorify.evaluation.suites.cases import Case, CaseKind, TaskContext
from lorify.facade import Lorify

NUM_SHOTS = 3
SPARE_TOKENS = 4
NOISE_CHARACTERS = 60


class PublishedTasksSuite(Suite):
    """Base class of suites of tasks that no training run may use."""

    kind: ClassVar[CaseKind] = "tasks"
    default_methods: ClassVar[str] = "none,description,three_shot,adapter,mismatched,random"
    max_new_tokens: ClassVar[int] = 256
    instances: int = Field(8, ge=1, description="Maximum number of inputs of each task for each seed.")
    seeds: int = Field(3, ge=1, description="Number of seeds, counted from 0.")

    def build(self, model: Lorify) -> list[Case]:
        """Draw inputs and descriptions, one case for each task and seed."""
        return build_task_cases(model.base, self.load(), instances=self.instances, seeds=self.seeds, source=self.name)

    def load(self) -> list[MeasuredTask]:
        """Read the tasks.

        Raises:
            EvaluationError: if they cannot be read, or there are none.
        """
        raise NotImplementedError


def build_task_cases(
    base: BaseLM, tasks: Sequence[MeasuredTask], *, instances: int, seeds: int, source: str
) -> list[Case]:
    """Draw inputs, examples and descriptions, one case for each task and seed.

    Args:
        base: its tokenizer counts the tokens of answers.
        tasks: the tasks.
        instances: maximum number of inputs of each task for each seed.
        seeds: number of seeds, counted from 0.
        source: source of the cases.
    """
    return [_case(base, task, tasks, seed, instances, source) for task in tasks for seed in range(seeds)]


def _case(
    base: BaseLM, measured: MeasuredTask, tasks: Sequence[MeasuredTask], seed: int, instances: int, source: str
) -> Case:
    task = measured.task
    pool = measured.measured
    drawn = random.Random(f"{seed}/{task.name}").sample(pool, min(instances, len(pool)))
    context = _draw_context(measured, tasks, seed)
    longest = max(len(base.encode_text(output)) for instance in drawn for output in instance.outputs)
    return Case(
        id=f"{task.name}/{seed}",
        documents=(),
        questions=tuple(Question(instance.input, instance.outputs) for instance in drawn),
        source=source,
        length_tokens=len(base.encode_text(context.description)),
        task=context,
        metric=task.metric,
        max_new_tokens=longest + SPARE_TOKENS,
    )


def _draw_context(measured: MeasuredTask, tasks: Sequence[MeasuredTask], seed: int) -> TaskContext:
    task = measured.task
    rng = random.Random(f"{seed}/{task.name}/description")
    others = [other for other in tasks if other.task.family != task.family]
    others = others or [other for other in tasks if other is not measured]
    mismatched = rng.choice(rng.choice(others).descriptions) if others else None
    noise = "".join(rng.choice(string.ascii_letters + string.digits + " ") for _ in range(NOISE_CHARACTERS)).strip()
    examples = random.Random(f"{seed}/{task.name}/examples").sample(measured.shown, min(NUM_SHOTS, len(measured.shown)))
    return TaskContext(
        name=task.name,
        family=task.family,
        seed=seed,
        description=measured.descriptions[seed % len(measured.descriptions)],
        mismatched=mismatched,
        noise=noise,
        examples=tuple(turn for example in examples for turn in _turns(example.input, example.outputs[0])),
    )


def _turns(question: str, answer: str) -> tuple[Message, Message]:
    return {"role": "user", "content": question}, {"role": "assistant", "content": answer}
