"""Study: improve the unfocused adapter, which is the same for all questions, using only its documents.

A hypernetwork answers best if it focuses its adapter on the question. Exports cannot do that: they have one adapter for
all questions. Study writes questions about the documents' sentences, lets the focused adapter answer them, and fits
the answers into the adapter in closed form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lorify.adapters import Adapter
from lorify.base.chat.prompts import PromptBuilder
from lorify.base.model import BaseLM
from lorify.cancellation import CancelToken
from lorify.contexts.documents import Document
from lorify.contexts.tables.statement_text import statement_text
from lorify.data.cloze.sentences import split_sentences
from lorify.data.cloze.statements import find_cloze_candidates, find_cloze_statements
from lorify.errors import ContextError
from lorify.hypernets.adapter_training.least_squares import fit_answers
from lorify.hypernets.adapter_training.time_limit import TimeLimit
from lorify.hypernets.adapter_training.training_examples import Focus
from lorify.hypernets.document_refinement.own_answers import own_answers
from lorify.hypernets.document_refinement.written_questions import Candidate, write_questions


def study(
    base: BaseLM,
    adapter: Adapter,
    documents: Sequence[Document],
    *,
    seconds: float,
    prompts: PromptBuilder,
    focus: Focus,
    writer: Adapter | None = None,
    cancel: CancelToken | None = None,
) -> Adapter:
    """Fit the focused adapter's answers into the adapter for all questions.

    Args:
        base: the base.
        adapter: the hypernetwork's adapter of the documents, with their tokens.
        documents: the documents.
        seconds: duration, including the writing of questions. The first few questions and the first round are never
            skipped.
        prompts: builds the prompts as when the adapter is used.
        focus: focuses the adapter.
        writer: an adapter of the base that writes questions (`lorify.data.cloze.question_writing`); None to make them
            by rule.
        cancel: cancels study between batches and rounds.

    Returns:
        The adapter with new weights. Focused answers stay the same, and documents can still be added and removed, which
        resets the weights to those of the hypernetwork.

    Raises:
        ContextError: if no sentence yields a question whose answer the adapter is sure of.
    """
    limit = TimeLimit(seconds, cancel)
    candidates = _candidates(documents)
    if writer is None:
        questions = [candidate.question for _, candidate in candidates]
    else:
        written = write_questions(base, candidates, writer, limit.first_half())
        questions = [statement.question for statement in written if statement.question.endswith("?")]
    unique = list(dict.fromkeys(questions))
    examples = own_answers(base, adapter, unique, focus=focus, prompts=prompts, limit=limit.first_half())
    if not examples:
        names = ", ".join(document.name for document in documents)
        raise ContextError(
            f"{names}: there is nothing to study, since the adapter is sure of no answer about its sentences; "
            "leave study out"
        )
    studied = fit_answers(base, examples, adapter, limit=limit)
    provenance = adapter.provenance.model_copy(update={"studied_seconds": round(limit.elapsed, 1), "fidelity": None})
    return replace(studied, provenance=provenance)


def _candidates(documents: Sequence[Document]) -> list[Candidate]:
    """Every date, quantity and name in the documents, and the end of each sentence without any."""
    found: dict[tuple[str, str], Candidate] = {}
    for document in documents:
        text = statement_text(document.text)
        sentences = split_sentences(text)
        for statement in (*find_cloze_candidates(text), *find_cloze_statements(text)):
            found.setdefault((statement.sentence, statement.answer), (sentences, statement))
    return list(found.values())
