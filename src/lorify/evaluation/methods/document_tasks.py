"""Methods for a document and a task at once."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from lorify.answering.plan import Query
from lorify.evaluation.methods.api import Ingest, Method, PreparedCase
from lorify.evaluation.methods.contexts import case_documents, case_task, joined_documents
from lorify.evaluation.methods.internalized import prepare_adapter
from lorify.evaluation.suites.cases import Case, CaseKind
from lorify.facade import Lorify


class DocumentAndTask(Method):
    """An adapter of the document and one of the task."""

    name = "adapter"
    kinds: ClassVar[tuple[CaseKind, ...]] = ("document_tasks",)
    uses: ClassVar[CaseKind | None] = "document_tasks"
    reads_description = True
    two_passes: bool = Field(
        True, description="Answer with the document first and do the task on that answer, instead of both at once."
    )
    scale: float = Field(1.0, ge=0, description="Scale of the document's adapter.")

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Return a function that makes both adapters."""

        def ingest(case: Case) -> PreparedCase:
            task = case_task(case).description
            document, specialized = model.internalize(*case_documents(case)), model.specialize(task)
            stack = model.combine([(document, self.scale), (specialized, 1.0)])

            def query_for(question: str) -> Query:
                return Query(question, stack, two_passes=self.two_passes)

            return PreparedCase(query_for, document, description=task)

        return ingest


class DocumentAlone(Method):
    """The adapter of the document without the task: how often is the fact right?"""

    name = "document"
    kinds: ClassVar[tuple[CaseKind, ...]] = ("document_tasks",)
    uses: ClassVar[CaseKind | None] = "documents"

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Return a function that makes the document's adapter."""
        return lambda case: prepare_adapter(model.internalize(*case_documents(case)), only_if_relevant=True)


class BothInPrompt(Method):
    """The document and the task in the prompt."""

    name = "icl"
    kinds: ClassVar[tuple[CaseKind, ...]] = ("document_tasks",)
    reads_description = True

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Return a function that puts both before the question."""

        def ingest(case: Case) -> PreparedCase:
            task = case_task(case).description
            text = f"{joined_documents(case)}\n\n{task}"
            return PreparedCase(lambda question: Query(question, document=text), description=task)

        return ingest
