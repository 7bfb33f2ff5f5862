"""Refinement: gradient descent on a hypernetwork's adapter, with questions about the documents' own sentences."""

from __future__ import annotations

from collections.abc import Sequence

from lorify.adapters import Adapter
from lorify.base.chat.prompts import PromptBuilder
from lorify.base.model import BaseLM
from lorify.cancellation import CancelToken
from lorify.contexts.documents import Document
from lorify.errors import ContextError
from lorify.hypernets.adapter_training.further_training import train_further
from lorify.hypernets.adapter_training.time_limit import TimeLimit
from lorify.hypernets.adapter_training.training_examples import Focus
from lorify.hypernets.document_refinement.statement_examples import plausible_examples, statement_examples


def refine(
    base: BaseLM,
    adapter: Adapter,
    documents: Sequence[Document],
    *,
    seconds: float,
    prompts: PromptBuilder,
    focus: Focus | None = None,
    writer: Adapter | None = None,
    cancel: CancelToken | None = None,
) -> Adapter:
    """Further train a hypernetwork's adapter on the sentences of its documents.

    Args:
        base: the base.
        adapter: the hypernetwork's adapter of the documents.
        documents: the documents.
        seconds: duration, including the writing of questions. The first few questions and their check are never
            skipped.
        prompts: builds the prompts as when the adapter is used.
        focus: as for `distill`.
        writer: an adapter of the base that writes questions (`lorify.data.cloze.question_writing`); None to make them
            by rule.
        cancel: cancels training between steps.

    Returns:
        The trained adapter, whose provenance records the time. Documents can no longer be added or removed, because its
        statistics no longer describe its weights.

    Raises:
        ContextError: if no sentence yields a question.
    """
    limit = TimeLimit(seconds, cancel)
    texts = [document.text for document in documents]
    examples = statement_examples(base, texts, limit, prompts=prompts, writer=writer)
    if not examples:
        names = ", ".join(document.name for document in documents)
        raise ContextError(
            f"{names}: no sentence with a name, a number or the like to ask for was found, so there is nothing to "
            "refine with; leave --refine out"
        )
    if writer is not None:
        examples = plausible_examples(base, examples, adapter, focus=focus, limit=limit.first_half())
    return train_further(base, adapter, examples, limit=limit, focus=focus)
