"""The answer of each document when several answer a question, since they may contradict each other."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lorify.adapters import Adapter, AdapterStack
from lorify.answering.answerer import Answerer
from lorify.answering.plan import AnswerRequest
from lorify.answering.sources import Source
from lorify.base.decoding.sampling import GenerationOptions
from lorify.data.answers import normalize_answer
from lorify.hypernets.evidence import answering_documents
from lorify.hypernets.internalizer import DocumentInternalizer


@dataclass(frozen=True)
class SourcedAnswer:
    """An answer with its sources, one for each document that gives it.

    Attributes:
        text: the answer.
        sources: its sources, the latest document's first.
    """

    text: str
    sources: tuple[Source, ...]

    def as_dict(self) -> dict[str, object]:
        """Convert to JSON values."""
        return {"answer": self.text, "sources": [source.as_dict() for source in self.sources]}


def answer_by_document(answerer: Answerer, request: AnswerRequest, options: GenerationOptions) -> list[SourcedAnswer]:
    """Answer a question from each document that answers it, as if the document were the only one.

    Args:
        answerer: answers it.
        request: the question with its adapters. If it has `not_stated`, documents that do not state an answer are
            skipped.
        options: length limit and sampling.

    Returns:
        The distinct answers, the latest document's first; none if no adapter keeps the tokens of its documents.
    """
    internalizer = answerer.internalizer
    if internalizer is None:
        return []
    parts = [
        replace(request, adapters=_only(internalizer, request.adapters, adapter, name))
        for adapter in reversed(request.adapters.adapters)
        if internalizer.can_rebuild(adapter)
        for name in reversed(answering_documents(internalizer.locate(adapter, request.question)))
    ]
    plans = [plan for plan in answerer.plan(parts) if plan.is_on]
    found: dict[str, SourcedAnswer] = {}
    for answer in answerer.answer(plans, options) if plans else []:
        if answer.withheld is None and answer.source is not None:
            known = found.get(key := normalize_answer(answer.text), SourcedAnswer(answer.text, ()))
            found[key] = replace(known, sources=(*known.sources, answer.source))
    return list(found.values())


def _only(internalizer: DocumentInternalizer, stack: AdapterStack, adapter: Adapter, name: str) -> AdapterStack:
    """One document of an adapter, and the adapters of the stack that were not made from documents."""
    others = [record.name for record in adapter.provenance.documents if record.name != name]
    alone = internalizer.remove(adapter, others) if others else adapter
    return AdapterStack(
        tuple(
            (alone if own is adapter else own, scale)
            for own, scale in stack
            if own is adapter or not internalizer.can_rebuild(own)
        )
    )
