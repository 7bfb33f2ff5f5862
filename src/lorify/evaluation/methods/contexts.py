"""The context of a case in the forms that methods need."""

from __future__ import annotations

from lorify.contexts.documents import Document, document_from_text
from lorify.contexts.images import Context, read_image
from lorify.evaluation.suites.cases import Case, TaskContext

SEPARATOR = "\n\n"


def joined_documents(case: Case) -> str:
    """Join the documents of a case to one text."""
    return SEPARATOR.join(case.documents)


def case_documents(case: Case) -> list[Document]:
    """Convert the documents of a case to named documents."""
    return [document_from_text(text, f"document {i}") for i, text in enumerate(case.documents)]


def case_contexts(case: Case) -> list[Context]:
    """Convert the documents and images of a case to named contexts."""
    images = [read_image(image, name=f"image {i}") for i, image in enumerate(case.images)]
    return [*case_documents(case), *images]


def case_task(case: Case) -> TaskContext:
    """Return the task of a case of kind `tasks`."""
    assert case.task is not None, "methods are checked against the kind of the suite"
    return case.task
