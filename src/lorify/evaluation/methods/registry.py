"""The registry of methods, and the parser of their text form."""

from __future__ import annotations

from lorify.errors import EvaluationError
from lorify.evaluation.methods.api import Method
from lorify.evaluation.methods.compressed import Llmlingua2
from lorify.evaluation.methods.distilled import Distilled, Refined
from lorify.evaluation.methods.document_tasks import BothInPrompt, DocumentAlone, DocumentAndTask
from lorify.evaluation.methods.exported import Exported
from lorify.evaluation.methods.in_prompt import InContext, NoContext, Retrieval
from lorify.evaluation.methods.internalized import Internalized, OuterProducts
from lorify.evaluation.methods.published_distillation import PublishedDistilled
from lorify.evaluation.methods.specialized import (
    FromDescription,
    FromInstruction,
    FromPrompt,
    Mismatched,
    RandomText,
    Restored,
)
from lorify.evaluation.methods.tasks import Described, ThreeShot
from lorify.evaluation.methods.trained import AverageLora, MultiTask, TaskLora
from lorify.evaluation.specs import parse_spec
from lorify.evaluation.suites.cases import CaseKind

METHODS: tuple[type[Method], ...] = (
    NoContext,
    InContext,
    Internalized,
    Exported,
    OuterProducts,
    Retrieval,
    Distilled,
    Refined,
    PublishedDistilled,
    Llmlingua2,
    FromInstruction,
    Described,
    ThreeShot,
    FromDescription,
    Mismatched,
    RandomText,
    FromPrompt,
    MultiTask,
    AverageLora,
    TaskLora,
    Restored,
    BothInPrompt,
    DocumentAlone,
    DocumentAndTask,
)
"""Methods; two may have the same name if they answer different kinds of cases."""


def methods_for(kind: CaseKind) -> dict[str, type[Method]]:
    """Find the methods that can answer a kind of case, by name."""
    return {method.name: method for method in METHODS if kind in method.kinds}


def parse_methods(text: str, kind: CaseKind = "documents") -> list[Method]:
    """Read methods from `METHOD,METHOD...`, each `NAME[:option=value...]`.

    Args:
        text: the methods.
        kind: kind of cases that they are to answer.

    Raises:
        EvaluationError: if there is no method, one does not exist for this kind of case or is given twice, or an
            option is wrong.
    """
    known = methods_for(kind)
    methods = [parse_spec(part, known, f"method for {kind}") for part in text.split(",") if part.strip()]
    if not methods:
        raise EvaluationError(f"no method is given; choose from {', '.join(known)}")
    labels = [method.label for method in methods]
    for label in labels:
        if labels.count(label) > 1:
            raise EvaluationError(f"method {label} is given twice; give each method once")
    return methods
