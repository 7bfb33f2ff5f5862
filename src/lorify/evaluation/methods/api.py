"""What every method has: options, an update for a case, and a query for each question."""

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
    """What a method holds of a case after its update.

    Attributes:
        query_for: question -> what it is asked with; retrieval happens here.
        adapter: the adapter, if the method has one.
        description: the description of a task, if the method was given one.
        answerer: answers the questions, if the method has a hypernetwork of its own; None: the loaded one does.
    """

    query_for: Callable[[str], Query]
    adapter: Adapter | None = None
    description: str | None = None
    answerer: Answerer | None = None

    @property
    def kept_bytes(self) -> int:
        """Size of what the adapter keeps of its documents beside its weights: statistics, and tokens for focus."""
        return self.adapter.statistics_bytes if self.adapter is not None else 0


Update = Callable[[Case], PreparedCase]
"""A method that is ready: takes in a case's documents, or its task."""


class Method(Spec):
    """A way to answer questions, and its options.

    To add one, write a subclass in a file of its own and list it in `registry.py`.

    Attributes:
        kinds: kinds of cases that it can answer.
        uses: which of the loaded hypernetworks it uses by default: the one for documents or the one for tasks.
    """

    kinds: ClassVar[tuple[CaseKind, ...]] = ("documents",)
    uses: ClassVar[CaseKind | None] = None

    @property
    def needs(self) -> CaseKind | None:
        """Which of the loaded hypernetworks it uses: that for documents or that for tasks."""
        return self.uses

    @property
    def own_hypernetwork(self) -> Path | None:
        """Folder of a hypernetwork that the method's options name, in place of a loaded one."""
        return None

    def load(self, model: Lorify, max_new_tokens: int) -> Update:
        """Get ready; what is loaded here is not counted as update.

        Args:
            model: base and hypernetworks.
            max_new_tokens: longest answer, which the prompt must leave room for.

        Raises:
            EvaluationError: if something that the method needs is not installed or not given.
        """
        raise NotImplementedError


def check_questions(answerer: Answerer, cases: Iterable[Case], max_new_tokens: int) -> None:
    """Check that every question fits the base's window with its answer.

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


def longest_answer(case: Case, max_new_tokens: int) -> int:
    """Longest answer of a case, in tokens."""
    return min(max_new_tokens, case.max_new_tokens or max_new_tokens)
