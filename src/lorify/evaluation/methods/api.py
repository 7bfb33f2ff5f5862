"""The base class of methods.

A method ingests the context of a case and then builds a query for each question. It knows nothing about suites. To add
one, write a subclass in a file of its own and list it in `registry.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lorify.adapters import Adapter
from lorify.answering.answerer import Answerer
from lorify.answering.plan import Query
from lorify.answering.window import document_room, question_tokens
from lorify.errors import EvaluationError
from lorify.evaluation.specs import Spec
from lorify.evaluation.suites.cases import Case, CaseKind
from lorify.facade import Lorify


@dataclass(frozen=True)
class PreparedCase:
    """The context of a case, prepared by a method.

    Attributes:
        query_for: builds the query of a question; retrieval happens here.
        adapter: the adapter, if the method uses one.
        description: the task description, if the method was given one.
        answerer: answers the questions, if the method has its own hypernetwork; None: the loaded model does.
    """

    query_for: Callable[[str], Query]
    adapter: Adapter | None = None
    description: str | None = None
    answerer: Answerer | None = None

    @property
    def kept_bytes(self) -> int:
        """Size of what the adapter stores of its documents beside its weights: statistics, and tokens for focusing."""
        return self.adapter.statistics_bytes if self.adapter is not None else 0


Ingest = Callable[[Case], PreparedCase]
"""Ingests the context of a case: its documents, images or task. The time that this takes is the update time."""


class Method(Spec):
    """A way to answer questions about a context, and its options.

    Attributes:
        kinds: kinds of cases that it can answer.
        uses: kind of the loaded hypernetwork that it uses; None: none.
        reads_description: whether its answers depend on the description of a task. Where they do not, and the cases of
            a task have the same questions, one of them is answered.
        follows_schemas: whether its answers have the JSON schema that a question asks for.
    """

    kinds: ClassVar[tuple[CaseKind, ...]] = ("documents",)
    uses: ClassVar[CaseKind | None] = None
    reads_description: ClassVar[bool] = False
    follows_schemas: ClassVar[bool] = True

    @property
    def needs(self) -> CaseKind | None:
        """Kind of the loaded hypernetwork that it needs with these options; None if it needs none."""
        return self.uses

    @property
    def own_hypernetwork(self) -> Path | None:
        """Folder of the hypernetwork that its options name in place of the loaded one."""
        return None

    def load(self, model: Lorify, max_new_tokens: int) -> Ingest:
        """Load what the method needs; the time for this is not part of the update time.

        Args:
            model: base model and hypernetworks.
            max_new_tokens: maximum answer length in tokens, for which prompts must leave room.

        Returns:
            The function that ingests cases.

        Raises:
            EvaluationError: if a package or an option that the method needs is missing.
        """
        raise NotImplementedError


def needed_kinds(methods: Iterable[Method]) -> set[CaseKind]:
    """Find the kinds of the loaded hypernetworks that methods need: `documents`, `tasks` or both."""
    needs: set[CaseKind] = {method.needs for method in methods if method.needs is not None}
    if "document_tasks" in needs:
        needs.remove("document_tasks")
        needs.update(("documents", "tasks"))
    return needs


def check_questions(answerer: Answerer, cases: Iterable[Case], max_new_tokens: int) -> None:
    """Check that every question fits into the context window with its answer.

    Args:
        answerer: its base and prompts.
        cases: cases with the questions.
        max_new_tokens: tokens to leave for an answer, unless the case sets its own limit.

    Raises:
        EvaluationError: if one does not; the message names its case.
    """
    for case in cases:
        longest = longest_answer(case, max_new_tokens)
        for number, question in enumerate(case.questions, start=1):
            if document_room(answerer, question.text, longest) < 0:
                raise EvaluationError(
                    f"question {number} of case {case.id}, {question.text[:60]!r}..., has "
                    f"{question_tokens(answerer, question.text)} tokens with its prompt, which with an answer of "
                    f"{longest} does not fit the base's window of {answerer.base.window_tokens}; leave it out, or "
                    "allow fewer tokens for the answer"
                )


def check_schemas(methods: Iterable[Method], cases: Iterable[Case]) -> None:
    """Check that methods can answer in JSON, if a question asks for it.

    Raises:
        EvaluationError: if one cannot; the message names it and the first case with such a question.
    """
    ignoring = next((method for method in methods if not method.follows_schemas), None)
    asking = next((case for case in cases if any(q.schema is not None for q in case.questions)), None)
    if ignoring is not None and asking is not None:
        raise EvaluationError(
            f"method {ignoring.label} cannot answer case {asking.id}, whose questions ask for JSON that matches a "
            "schema; leave the method out"
        )


def check_plain_questions(cases: Iterable[Case]) -> None:
    """Check that every question can be asked alone and answered with text, as for fitting a model to the answers.

    Raises:
        EvaluationError: if one belongs to a chat or asks for JSON; the message names its case.
    """
    for case in cases:
        for number, question in enumerate(case.questions, start=1):
            if question.schema is not None or question.turns:
                problem = "asks for JSON" if question.schema is not None else "belongs to a chat"
                raise EvaluationError(
                    f"question {number} of case {case.id} {problem}, and only questions that stand alone and are "
                    "answered with text can be fitted to; use another suite"
                )


def longest_answer(case: Case, max_new_tokens: int) -> int:
    """Compute the maximum answer length of a case in tokens."""
    return min(max_new_tokens, case.max_new_tokens or max_new_tokens)
