"""Adapters of tasks with examples: trained further on them, and checked with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lorify.adapters import Adapter, DocumentRecord
from lorify.contexts.documents import Document
from lorify.contexts.task_notes import language_notes, task_notes
from lorify.errors import RequestError
from lorify.facade import Lorify
from lorify.hypernets.refinement.task_examples import TaskExample, check_examples
from lorify.hypernets.specializer import task_document


@dataclass(frozen=True)
class TaskOrder:
    """A task to make an adapter of.

    Attributes:
        task: its description.
        trained: examples to train on; none if it is not refined.
        seconds: how long to train.
        checked: examples to check the adapter with.
        warnings: what may keep the adapter from doing the task.
    """

    task: str
    trained: tuple[TaskExample, ...] = ()
    seconds: float = 0.0
    checked: tuple[TaskExample, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def document(self) -> Document:
        """What records the task in the adapter's provenance; other training makes it another document."""
        plain = task_document(self.task)
        if not self.trained:
            return plain
        pairs = [[example.input, example.output] for example in self.trained]
        digest = hashlib.sha256(json.dumps([self.task, pairs, self.seconds]).encode()).hexdigest()
        return Document(f"{plain.name} (refined on {len(pairs)} examples)", self.task, digest)

    def generate(self, model: Lorify) -> Adapter:
        """Generate the adapter, and train it if there are examples to train on."""
        adapter = model.specialize(self.task)
        if not self.trained:
            return adapter
        refined = model.refine_task(adapter, self.trained, seconds=self.seconds)
        (record,) = refined.provenance.documents
        document = self.document
        named = DocumentRecord(name=document.name, digest=document.digest, num_tokens=record.num_tokens)
        return replace(refined, provenance=refined.provenance.model_copy(update={"documents": (named,)}))


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
    """Divide examples between training and check; with both, every second one is left out of the training.

    Args:
        task: description of the task.
        examples: its examples.
        seconds: how long to train on them; None not to.
        check: whether to check the adapter with them.
        max_seconds: longest time that may be requested.

    Raises:
        RequestError: if there are too few examples, they are not used, or the time is too long.
        ContextError: if examples contradict each other.
    """
    if seconds is not None:
        check_training_seconds(seconds, "refine", max_seconds)
    if check and not examples:
        raise RequestError("a task is checked with its examples; give examples, or leave out check", param="check")
    needed = (seconds is not None) + check
    if examples and not needed:
        raise RequestError("examples are only used by refine and by ?check=true; give one of these", param="examples")
    if len(examples) < needed:
        raise RequestError(
            f"{len(examples)} examples were given, refine and check need {needed}; give more", param="examples"
        )
    if any(not example.input or not example.output for example in examples):
        raise RequestError("an example has no text to read; give each an input and an output", param="examples")
    check_examples(examples)
    trained, checked = (examples[::2], examples[1::2]) if needed == 2 else (examples, examples)
    notes = [*language_notes(task), *task_notes(task, [(example.input, example.output) for example in examples])]
    return TaskOrder(
        task,
        trained=tuple(trained) if seconds is not None else (),
        seconds=seconds or 0.0,
        checked=tuple(checked) if check else (),
        warnings=tuple(notes),
    )
