"""What an adapter holds of its documents: their own sentences as questions, asked with it and with the document.

The questions are made by rule (`lorify.data.cloze.statements`), without a model. A statement is held if the answer
contains the word that was asked for; so a base that answers in whole sentences is judged like an adapter that answers
in a word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lorify.adapters import Adapter
from lorify.contexts.documents import Document
from lorify.data.cloze.statements import (
    MAX_ANSWER_TOKENS,
    MAX_SAMPLED_STATEMENTS,
    ClozeStatement,
    matches_answer,
    sample_cloze_statements,
)
from lorify.errors import EvaluationError
from lorify.evaluation.methods.api import BATCH_ROWS, Prompt, ask_together, fit_document
from lorify.evaluation.scoring.metrics import mean
from lorify.facade import Lorify


@dataclass(frozen=True)
class CheckedStatement:
    """A statement of a document and how it was answered.

    Attributes:
        document: name of the document.
        sentence: the statement.
        question: what was asked.
        expected: the word or words asked for.
        answer: the answer with the adapter alone.
        answer_in_context: the answer with the document in the prompt.
    """

    document: str
    sentence: str
    question: str
    expected: str
    answer: str
    answer_in_context: str

    @property
    def is_held(self) -> bool:
        """Whether the adapter's answer says what was asked for."""
        return matches_answer(self.answer, self.expected)

    @property
    def is_held_in_context(self) -> bool:
        """Whether the answer with the document in the prompt does."""
        return matches_answer(self.answer_in_context, self.expected)


def check_adapter(
    model: Lorify,
    adapter: Adapter,
    documents: Sequence[Document],
    *,
    max_statements: int = MAX_SAMPLED_STATEMENTS,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[CheckedStatement]:
    """Ask an adapter what its documents state.

    Args:
        model: base and hypernetwork.
        adapter: the adapter, as a user would ask it: on for questions that concern its documents.
        documents: its documents.
        max_statements: of more statements a sample is asked, always the same one, in the documents' order.
        report: called with the number of statements done since the last call and of all.

    Raises:
        EvaluationError: if no sentence can be made a question.
    """
    sample = sample_cloze_statements([document.text for document in documents], max_statements)
    found = [(documents[place], statement) for place, statement in sample]
    if not found:
        raise EvaluationError(
            "no sentence of the documents has a name, a number or the like to ask for, so there is nothing to check; "
            "leave --check out"
        )
    checked: list[CheckedStatement] = []
    for start in range(0, len(found), BATCH_ROWS):
        batch = found[start : start + BATCH_ROWS]
        checked += _ask(model, adapter, batch)
        report(len(batch), len(found))
    return checked


def fidelity(checked: Sequence[CheckedStatement]) -> float:
    """Share of the statements that the adapter holds."""
    return mean([float(item.is_held) for item in checked])


def _ask(model: Lorify, adapter: Adapter, batch: Sequence[tuple[Document, ClozeStatement]]) -> list[CheckedStatement]:
    questions = [statement.question for _, statement in batch]
    with_adapter = [(q, Prompt(adapter=model.for_question(adapter, q))) for q in questions]
    in_context = [
        (s.question, Prompt(document=fit_document(model.base, d.text, s.question, MAX_ANSWER_TOKENS))) for d, s in batch
    ]
    answers = ask_together(model, with_adapter, MAX_ANSWER_TOKENS)
    others = ask_together(model, in_context, MAX_ANSWER_TOKENS)
    return [
        CheckedStatement(d.name, s.sentence, s.question, s.answer, answer, other)
        for (d, s), answer, other in zip(batch, answers, others, strict=True)
    ]
