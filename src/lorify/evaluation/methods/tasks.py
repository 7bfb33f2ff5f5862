"""Methods for tasks that put the description or examples into the prompt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pydantic import Field

from lorify.answering.plan import Query
from lorify.evaluation.methods.api import Ingest, Method, PreparedCase
from lorify.evaluation.methods.contexts import case_task
from lorify.evaluation.suites.cases import Case, TaskContext
from lorify.facade import Lorify
from lorify.hypernets.task_refinement.task_examples import TaskExample


class Described(Method):
    """The description in the prompt."""

    name = "description"
    kinds = ("tasks",)
    reads_description = True
    examples: bool = Field(False, description="Put three examples after it, as three_shot shows them.")

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Return a function that takes the description of the task."""

        def ingest(case: Case) -> PreparedCase:
            task = case_task(case)
            shown = task.description if task.shown_description is None else task.shown_description

            def query_for(question: str) -> Query:
                return Query(question, document=shown or None)

            return PreparedCase(
                with_examples(query_for, task) if self.examples else query_for, description=task.description
            )

        return ingest


class ThreeShot(Method):
    """Three examples in the prompt, as chat turns, or as the suite shows them."""

    name = "three_shot"
    kinds = ("tasks",)

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Return a function that takes the examples of the task."""
        return lambda case: PreparedCase(with_examples(Query, case_task(case)))


def with_examples(query_for: Callable[[str], Query], task: TaskContext) -> Callable[[str], Query]:
    """Add the examples of a task to the queries of a method."""

    def query_with_examples(question: str) -> Query:
        query, shown = query_for(question), task.example_text
        if shown is None:
            return replace(query, turns=(*task.examples, *query.turns))
        text = "\n\n".join(filter(None, (query.document, shown.text)))
        return replace(query, document=text or None, answer_prefix=shown.answer_prefix if shown.text else "")

    return query_with_examples


def shown_examples(task: TaskContext) -> list[TaskExample]:
    """Return the examples of a task, without repetitions."""
    turns = [str(message["content"]) for message in task.examples]
    found = {given: TaskExample(given, output) for given, output in zip(turns[::2], turns[1::2], strict=True)}
    return list(found.values())
