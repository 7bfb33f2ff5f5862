"""Adapters of tasks with examples, which are fitted into them, trained on and checked with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lorify.adapters import Adapter, DocumentRecord
from lorify.cancellation import CancelToken
from lorify.contexts.descriptions.notes import language_notes, task_notes
from lorify.contexts.documents import Document
from lorify.errors import RequestError
from lorify.facade import Lorify
from lorify.hypernets.specializer import task_document
from lorify.hypernets.task_refinement.task_examples import TaskExample, divide_examples


@dataclass(frozen=True)
class TaskOrder:
    """A task to make an adapter of.

    Attributes:
        task: its description.
        learned: examples that are fitted into the adapter.
        seconds: how long to train on them afterwards; 0 not to.
        checked: examples to check the adapter with.
        warnings: what may keep the adapter from doing the task.
    """

    task: str
    learned: tuple[TaskExample, ...] = ()
    seconds: float = 0.0
    checked: tuple[TaskExample, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def document(self) -> Document:
        """What records the task in the adapter's provenance; with other examples it is another document."""
        plain = task_document(self.task)
        if not self.learned:
            return plain
        pairs = [[example.input, example.output] for example in self.learned]
        digest = hashlib.sha256(json.dumps([self.task, pairs, self.seconds]).encode()).hexdigest()
        use = "refined on" if self.seconds else "with"
        return Document(f"{plain.name} ({use} {len(pairs)} example{'s' * (len(pairs) > 1)})", self.task, digest)

    def generate(self, model: Lorify, cancel: CancelToken) -> Adapter:
        """Generate the adapter, and train it if that is wanted."""
        adapter = model.estimate(model.specialize(self.task, self.learned), self.task)
        if not self.learned:
            return adapter
        if self.seconds:
            adapter = model.refine_task(adapter, self.learned, seconds=self.seconds, cancel=cancel)
        (record,) = adapter.provenance.documents
        document = self.document
        named = DocumentRecord(name=document.name, digest=document.digest, num_tokens=record.num_tokens)
        return replace(adapter, provenance=adapter.provenance.model_copy(update={"documents": (named,)}))


def check_training_seconds(seconds: float, param: str, max_seconds: float) -> None:
    """Refuse a request for more training than a server allows.

    Raises:
        RequestError: if it is longer.
    """
    if seconds > max_seconds:
        allowed = f"this server allows at most {max_seconds:g}" if max_seconds else "this server allows none"
        raise RequestError(f"{param} asks for {seconds:g} seconds of training, {allowed}", param=param)


def task_order(
    task: str, examples: Sequence[TaskExample], *, seconds: float | None, check: bool, max_seconds: float
) -> TaskOrder:
    """Divide examples between learning and check.

    Args:
        task: description of the task.
        examples: its examples.
        seconds: how long to train on them; None not to.
        check: whether to check the adapter with every second one, which it does not learn.
        max_seconds: longest time that may be requested.

    Raises:
        RequestError: if there are too few examples, or the time is too long.
        ContextError: if examples contradict each other.
    """
    if seconds is not None:
        check_training_seconds(seconds, "refine", max_seconds)
    if check and not examples:
        raise RequestError("a task is checked with its examples; give examples, or leave out check", param="check")
    if any(not example.input or not example.output for example in examples):
        raise RequestError("an example has no text to read; give each an input and an output", param="examples")
    learned, checked = divide_examples(examples, check=check)
    needed = 2 if check else int(seconds is not None)
    if (found := len(learned) + len(checked)) < needed:
        raise RequestError(
            f"the number of examples is {found}, expected at least {needed}; give more", param="examples"
        )
    notes = [*language_notes(task), *task_notes(task, [(example.input, example.output) for example in examples])]
    return TaskOrder(
        task, learned=tuple(learned), seconds=seconds or 0.0, checked=tuple(checked), warnings=tuple(notes)
    )
