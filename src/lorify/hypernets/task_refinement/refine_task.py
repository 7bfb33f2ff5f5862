"""Refinement of a task's adapter: gradient descent on examples of the task."""

from __future__ import annotations

from collections.abc import Sequence

from lorify.adapters import Adapter
from lorify.base.chat.prompts import PromptBuilder
from lorify.base.model import BaseLM
from lorify.cancellation import CancelToken
from lorify.errors import ContextError
from lorify.hypernets.adapter_training.further_training import train_further
from lorify.hypernets.adapter_training.time_limit import TimeLimit
from lorify.hypernets.task_refinement.task_examples import TaskExample, check_examples, training_example


def refine_task(
    base: BaseLM,
    adapter: Adapter,
    examples: Sequence[TaskExample],
    *,
    seconds: float,
    prompts: PromptBuilder,
    cancel: CancelToken | None = None,
) -> Adapter:
    """Further train the adapter of a task on examples.

    Args:
        base: the base.
        adapter: the hypernetwork's adapter of the description.
        examples: inputs with the right answers.
        seconds: duration; no step starts that would end later.
        prompts: builds the prompts as when the adapter is used.
        cancel: cancels training between steps.

    Returns:
        The trained adapter. Its provenance records the time.

    Raises:
        ContextError: if there is no example, they contradict each other, or one is longer than the base's window.
    """
    if not examples:
        raise ContextError("there is no example to refine with; give some with --example")
    check_examples(examples)
    limit = TimeLimit(seconds, cancel)
    prepared = [training_example(base, example, prompts) for example in examples]
    return train_further(base, adapter, prepared, limit=limit)
