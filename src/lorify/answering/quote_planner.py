"""Finds planned questions that can be answered with a quote from their documents, and the quotes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from lorify.adapters import Adapter
from lorify.answering.plan import AnswerPlan, AnswerRequest
from lorify.answering.quotes import (
    AskedDocuments,
    Finding,
    FoundSpan,
    Quote,
    QuoteKind,
    asks_for_verdict,
    asks_for_words,
    find_quote,
    find_spans,
    quote_kind,
)
from lorify.answering.sources import find_source
from lorify.base.model import BaseLM
from lorify.data.answers import normalize_answer
from lorify.extraction.extractor import Extractor
from lorify.hypernets.evidence import TokenEvidence
from lorify.hypernets.internalizer import DocumentInternalizer

MIN_STATED = 0.9
"""A question is relevant to documents that answer it with this probability, whatever its wording.

Of 200 ordinary questions, each asked about an unrelated passage, 1.5% are taken for relevant (docs/research-log.md).
"""
MAX_QUESTION_CHARS = 300
"""The relevance of longer questions is decided by their words alone."""


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
            load_extractor: loads the extractor; called at the first question that a quote may answer.
        """
        self._base, self._internalizer = base, internalizer
        self._load_extractor = load_extractor
        self._loaded: tuple[Extractor | None] | None = None
        self._loading = threading.Lock()

    @property
    def extractor(self) -> Extractor | None:
        """The model that finds the words that answer a question; None leaves it to the hypernetwork's reader."""
        with self._loading:
            if self._loaded is None:
                self._loaded = (self._load_extractor(),)
            return self._loaded[0]

    def with_quotes(self, plans: Sequence[AnswerPlan], evidence: Sequence[Sequence[TokenEvidence]]) -> list[AnswerPlan]:
        """Plan to answer with words of the documents, if they are found with enough certainty.

        Args:
            plans: the plans.
            evidence: for each plan, where the documents of the adapters that are on answer its question.

        Returns:
            The plans; those with a quote are changed.
        """
        if self._internalizer is None:
            return list(plans)
        planned = list(plans)
        asked: dict[int, AskedDocuments] = {}
        kinds: dict[int, QuoteKind] = {}
        for i, plan in enumerate(plans):
            request = plan.request
            if request is None or not request.is_quotable or request.adapters.is_empty:
                continue
            kind = quote_kind(request.question, is_relevant=plan.is_on)
            if kind is not None:
                planned[i] = self._quoted(plan, request, kind, self._internalizer)
                if kind.min_words is None or not asks_for_words(request.question):
                    continue
                kinds[i] = kind
            if plan.is_on and _may_have_span(request, self._internalizer):
                asked[i] = _asked(request, evidence[i])
        for i, found in zip(asked, self.find_spans(list(asked.values())), strict=True):
            quote = None if found.span is None else self._quote_of(found.span, evidence[i])
            if i in kinds and _is_kept(planned[i].quote, kinds[i], quote):
                continue
            ids = () if quote is None else tuple(self._base.encode_text(quote.text))
            planned[i] = replace(plans[i], stated=found.stated, quote=quote, quote_ids=ids)
        return planned

    def are_answered(
        self, requests: Sequence[AnswerRequest], evidence: Sequence[Sequence[TokenEvidence]]
    ) -> list[bool]:
        """Return for each request whether the extractor finds that its documents answer the question.

        Args:
            requests: requests whose questions have no word in common with the documents.
            evidence: for each request, where its documents may answer the question.
        """
        asked = {
            i: _asked(request, evidence[i])
            for i, request in enumerate(requests)
            if self._internalizer is not None and _is_short_question(request, self._internalizer)
        }
        found = dict(zip(asked, self.find_spans(list(asked.values())), strict=True))
        return [i in found and (found[i].stated or 0.0) >= MIN_STATED for i in range(len(requests))]

    def find_spans(self, asked: Sequence[AskedDocuments]) -> list[Finding]:
        """Find the words of documents that answer questions, with the extractor if there is one."""
        extractor = self.extractor if any(each.documents for each in asked) else None
        return find_spans(asked, self._base.decode_text, extractor)

    def _quote_of(self, span: FoundSpan, evidence: Sequence[TokenEvidence]) -> Quote:
        """Quote a span; a certain one, such as words after the same question in the document, gets its source here."""
        source = find_source(evidence, span.text, self._base.decode_text, span.sentence) if span.is_certain else None
        return Quote(span.text, source, span.probability, span.sentence)

    def _quoted(
        self, plan: AnswerPlan, request: AnswerRequest, kind: QuoteKind, internalizer: DocumentInternalizer
    ) -> AnswerPlan:
        """Plan to quote the text that a question asks for, if the documents have it."""
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


def _is_kept(known: Quote | None, kind: QuoteKind, words: Quote | None) -> bool:
    """Whether a quote of some kind is a better answer than the words found by the extractor or the reader."""
    if known is None:
        return False
    if words is None:
        return True
    if words.is_certain:
        return False
    is_unlikely = kind.min_words is None or words.probability < kind.min_words
    return is_unlikely or (kind.is_whole and _words(words.text) <= _words(known.text))


def _words(text: str) -> set[str]:
    return set(normalize_answer(text).split())


def _asked(request: AnswerRequest, evidence: Sequence[TokenEvidence]) -> AskedDocuments:
    """The extractor's input for a request, given where its documents may answer it."""
    return AskedDocuments(request.question, evidence, request.question_in_chat, request.given_answers)


def _is_short_question(request: AnswerRequest, internalizer: DocumentInternalizer) -> bool:
    """Whether a question is short enough for the extractor to decide whether it is relevant."""
    is_short = len(request.question) <= MAX_QUESTION_CHARS
    return request.is_quotable and is_short and _may_have_span(request, internalizer)


def _may_have_span(request: AnswerRequest, internalizer: DocumentInternalizer) -> bool:
    """Whether words of the documents, yes or no may answer a question that no other kind of quote answers.

    A task that is done in a second pass does no harm.
    """
    adapters = [
        adapter
        for adapter in request.adapters.adapters
        if not (request.two_passes and adapter.provenance.needs_default_system_message)
    ]
    asks = asks_for_words(request.question) or asks_for_verdict(request.question)
    return asks and are_of_documents(adapters, internalizer)


def are_of_documents(adapters: Collection[Adapter], internalizer: DocumentInternalizer) -> bool:
    """Return whether there are adapters and all were made by the document hypernetwork, so that quotes can answer.

    Args:
        adapters: adapters that answer a question together.
        internalizer: the hypernetwork for documents.
    """
    return bool(adapters) and all(map(internalizer.made, adapters))
