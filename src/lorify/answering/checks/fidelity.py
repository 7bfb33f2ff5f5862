"""Fidelity: how many of the statements in its documents an adapter answers correctly.

The statements are sentences of the documents, turned into questions by rules (`lorify.data.cloze.statements`), without
a model. An answer counts if it contains the expected word, so a base that answers in whole sentences and an adapter
that answers in one word are judged alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lorify.adapters import Adapter, AdapterStack
from lorify.answering.answerer import Answerer
from lorify.answering.batches import BATCH_ROWS, answer_in_batches
from lorify.answering.plan import Query
from lorify.answering.window import fit_document
from lorify.base.decoding.sampling import GenerationOptions
from lorify.contexts.documents import Document
from lorify.contexts.tables.statement_text import statement_text
from lorify.data.cloze.statements import (
    MAX_ANSWER_TOKENS,
    MAX_SAMPLED_STATEMENTS,
    ClozeStatement,
    matches_answer,
    sample_cloze_statements,
)
from lorify.errors import ContextError

ANSWER_OPTIONS = GenerationOptions(MAX_ANSWER_TOKENS)


@dataclass(frozen=True)
class FidelityQuestion:
    """A statement of a document as a question to its adapter.

    Attributes:
        document: the document.
        statement: the statement.
    """

    document: Document
    statement: ClozeStatement

    def query(self, adapter: Adapter) -> Query:
        """Build the query of a user: the adapter is on only if the question is relevant."""
        return Query(self.statement.question, AdapterStack.of(adapter))

    def is_answered_by(self, text: str) -> bool:
        """Return whether an answer contains the expected word."""
        return matches_answer(text, self.statement.answer)


@dataclass(frozen=True)
class CheckedStatement:
    """A statement of a document and how it was answered.

    Attributes:
        document: name of the document.
        sentence: the statement.
        question: the question.
        expected: the expected word or words.
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
        """Whether the answer with the adapter contains the expected word."""
        return matches_answer(self.answer, self.expected)

    @property
    def is_held_in_context(self) -> bool:
        """Whether the answer with the document in the prompt contains the expected word."""
        return matches_answer(self.answer_in_context, self.expected)


def fidelity_questions(
    documents: Sequence[Document], max_statements: int = MAX_SAMPLED_STATEMENTS
) -> list[FidelityQuestion]:
    """Sample statements of documents, in document order; the same documents always give the same sample.

    Args:
        documents: the documents.
        max_statements: maximum size of the sample.
    """
    sample = sample_cloze_statements([statement_text(document.text) for document in documents], max_statements)
    return [FidelityQuestion(documents[index], statement) for index, statement in sample]


def fidelity(is_held: Sequence[bool]) -> float:
    """Compute the share of statements that an adapter answers correctly, rounded to three digits."""
    return round(sum(is_held) / len(is_held), 3)


def check_adapter(
    answerer: Answerer,
    adapter: Adapter,
    documents: Sequence[Document],
    *,
    max_statements: int = MAX_SAMPLED_STATEMENTS,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> list[CheckedStatement]:
    """Ask about statements of documents, with their adapter and with the document in the prompt.

    Args:
        answerer: answers the questions.
        adapter: the adapter of the documents.
        documents: the documents.
        max_statements: maximum number of statements to ask about.
        report: called with the number of statements done since the last call and their total number.

    Raises:
        ContextError: if no sentence can be turned into a question.
    """
    questions = fidelity_questions(documents, max_statements)
    if not questions:
        raise ContextError(
            "no sentence of the documents has a name, a number or a date to ask for, so there is nothing to check; "
            "leave --check out"
        )
    checked: list[CheckedStatement] = []
    for start in range(0, len(questions), BATCH_ROWS):
        batch = questions[start : start + BATCH_ROWS]
        checked += _check(answerer, adapter, batch)
        report(len(batch), len(questions))
    return checked


def _check(answerer: Answerer, adapter: Adapter, batch: Sequence[FidelityQuestion]) -> list[CheckedStatement]:
    with_adapter = _answer(answerer, [item.query(adapter) for item in batch])
    in_context = _answer(answerer, [_in_context(answerer, item) for item in batch])
    return [
        CheckedStatement(
            document=item.document.name,
            sentence=item.statement.sentence,
            question=item.statement.question,
            expected=item.statement.answer,
            answer=answer,
            answer_in_context=other,
        )
        for item, answer, other in zip(batch, with_adapter, in_context, strict=True)
    ]


def _in_context(answerer: Answerer, item: FidelityQuestion) -> Query:
    question = item.statement.question
    return Query(question, document=fit_document(answerer, item.document.text, question, MAX_ANSWER_TOKENS))


def _answer(answerer: Answerer, queries: Sequence[Query]) -> list[str]:
    planned = [(query, answerer.plan_query(query)) for query in queries]
    return [answer.text for answer in answer_in_batches(answerer, planned, ANSWER_OPTIONS)]
