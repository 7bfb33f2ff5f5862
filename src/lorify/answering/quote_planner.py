"""Which planned questions are answered with words of their documents, and with which."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from lorify.adapters import Adapter
from lorify.answering.plan import AnswerPlan, AnswerRequest
from lorify.answering.quotes import AskedDocuments, Finding, Quote, asks_for_words, find_quote, find_spans, quote_kind
from lorify.base.model import BaseLM
from lorify.extraction.extractor import Extractor
from lorify.hypernets.evidence import TokenEvidence
from lorify.hypernets.internalizer import DocumentInternalizer


class QuotePlanner:
    """Finds quotes for plans. Safe to use from several threads."""

    def __init__(
        self,
        base: BaseLM,
        internalizer: DocumentInternalizer | None,
        load_extractor: Callable[[], Extractor | None] = lambda: None,
    ) -> None:
        """Load nothing yet.

        Args:
            base: the base of the plans.
            internalizer: locates answers in the documents of its adapters; without one nothing is quoted.
            load_extractor: reads the extractor, when a question is first asked that words of documents may answer.
        """
        self._base, self._internalizer = base, internalizer
        self._load_extractor = load_extractor
        self._loaded: tuple[Extractor | None] | None = None
        self._loading = threading.Lock()

    @property
    def extractor(self) -> Extractor | None:
        """What finds the words that answer a question; None leaves that to the reader of the hypernetwork."""
        with self._loading:
            if self._loaded is None:
                self._loaded = (self._load_extractor(),)
            return self._loaded[0]

    def with_quotes(self, plans: Sequence[AnswerPlan], evidence: Sequence[Sequence[TokenEvidence]]) -> list[AnswerPlan]:
        """Plan to answer with words of the documents, where they are found with certainty.

        Args:
            plans: the plans.
            evidence: for each plan where the documents of the adapters that are on answer its question.

        Returns:
            The plans, those with a quote changed.
        """
        if self._internalizer is None:
            return list(plans)
        planned = [self._quoted(plan, self._internalizer) for plan in plans]
        asked = {
            i: AskedDocuments(plan.request.question, evidence[i])
            for i, plan in enumerate(planned)
            if plan.request is not None and self._may_have_span(plan, plan.request, self._internalizer)
        }
        for i, found in zip(asked, self.find_spans(list(asked.values())), strict=True):
            planned[i] = replace(planned[i], stated=found.stated)
            if found.span is not None:
                quote = Quote(found.span.text, None, found.span.probability)
                planned[i] = replace(planned[i], quote=quote, quote_ids=tuple(self._base.encode_text(quote.text)))
        return planned

    def find_spans(self, asked: Sequence[AskedDocuments]) -> list[Finding]:
        """Find the words of documents that answer questions, with the extractor if there is one."""
        extractor = self.extractor if any(each.documents for each in asked) else None
        return find_spans(asked, self._base.decode_text, extractor)

    def _quoted(self, plan: AnswerPlan, internalizer: DocumentInternalizer) -> AnswerPlan:
        """Plan to quote the documents if the question asks for their text."""
        request = plan.request
        if request is None or not request.is_quotable or request.adapters.is_empty:
            return plan
        kind = quote_kind(request.question, is_relevant=plan.is_on)
        if kind is None:
            return plan
        evidence = [
            internalizer.locate(adapter, request.question) if found is None else found
            for adapter, found in zip(request.adapters.adapters, plan.evidence, strict=True)
        ]
        documents = [document for found in evidence for document in found]
        quote = find_quote(kind, request.question, documents, self._base.decode_text)
        if quote is None:
            return plan
        ids = tuple(self._base.encode_text(quote.text))
        on = request.adapters if plan.adapters.is_empty else plan.adapters
        return replace(plan, adapters=on, evidence=tuple(evidence), quote=quote, quote_ids=ids)

    def _may_have_span(self, plan: AnswerPlan, request: AnswerRequest, internalizer: DocumentInternalizer) -> bool:
        """Whether words of the documents may be the answer, and no quote of another kind is asked for."""
        return (
            plan.is_on
            and request.is_quotable
            and quote_kind(request.question) is None
            and asks_for_words(request.question)
            and all(_is_of_documents(adapter, request, internalizer) for adapter in request.adapters.adapters)
        )


def _is_of_documents(adapter: Adapter, request: AnswerRequest, internalizer: DocumentInternalizer) -> bool:
    """Whether words of documents may answer for an adapter; a task that is done in a second pass does no harm."""
    is_second_pass = request.two_passes and adapter.provenance.needs_default_system_message
    return is_second_pass or internalizer.can_rebuild(adapter)
