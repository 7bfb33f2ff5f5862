"""Methods for tasks that put the description or examples into the prompt."""

from __future__ import annotations

from lorify.answering.plan import Query
from lorify.evaluation.methods.api import Ingest, Method, PreparedCase
from lorify.evaluation.methods.contexts import case_task
from lorify.evaluation.suites.cases import Case
from lorify.facade import Lorify


class Described(Method):
    """The description in the prompt."""

    name = "description"
    kinds = ("tasks",)

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Return a function that takes the description of the task."""

        def ingest(case: Case) -> PreparedCase:
            text = case_task(case).description
            return PreparedCase(lambda question: Query(question, document=text), description=text)

        return ingest


class ThreeShot(Method):
    """Three examples in the prompt, as chat turns."""

    name = "three_shot"
    kinds = ("tasks",)

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Return a function that takes the examples of the task."""
        return lambda case: PreparedCase(lambda question: Query(question, turns=case_task(case).examples))
