"""Signals of one answer: how likely it is under the base, and where the documents state it.

The answer's confidence, its source and whether it is withheld are derived from them. Each signal is measured once per
answer, when first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from lorify.answering.calibration.confidence import ConfidenceSignals, Signals, surprisal_signals
from lorify.answering.calibration.stated import StatedSignals, stated_signals
from lorify.answering.plan import AnswerPlan
from lorify.answering.quotes import AskedDocuments, Finding
from lorify.answering.sources import Source, find_source
from lorify.base.model import BaseLM
from lorify.hypernets.evidence import TokenEvidence
from lorify.hypernets.internalizer import DocumentInternalizer


class AnswerSignals:
    """The signals of an answer to a planned question; each is measured on first access and cached.

    Attributes:
        plan: the plan that was answered.
        text: the answer.
    """

    def __init__(
        self,
        plan: AnswerPlan,
        text: str,
        *,
        base: BaseLM,
        internalizer: DocumentInternalizer | None = None,
        find_spans: Callable[[Sequence[AskedDocuments]], Sequence[Finding]] = lambda asked: (
            [Finding(None)] * len(asked)
        ),
    ) -> None:
        """Measure nothing yet.

        Args:
            plan: the plan that was answered.
            text: the answer.
            base: the base.
            internalizer: locates answers in the documents of its adapters; None leaves the source unknown.
            find_spans: finds the words of documents that answer questions.
        """
        self.plan = plan
        self.text = text
        self._base = base
        self._internalizer = internalizer
        self._find_spans = find_spans

    @property
    def is_quoted(self) -> bool:
        """Whether the answer is a certain quote of the documents."""
        quote = self.plan.quote_given(self.text)
        return quote is not None and quote.is_certain

    @cached_property
    def surprisal(self) -> Signals:
        """Surprisal of the answer's tokens, which takes a forward pass of the base."""
        return surprisal_signals(self._base, self.plan, self.text)

    @cached_property
    def evidence(self) -> list[TokenEvidence]:
        """Where the adapters' documents answer the question; runs the reader unless the plan has its result."""
        request, internalizer = self.plan.request, self._internalizer
        if request is None or internalizer is None:
            return []
        planned = self.plan.evidence or (None,) * len(request.adapters.adapters)
        return [
            document
            for adapter, found in zip(request.adapters.adapters, planned, strict=True)
            for document in (internalizer.locate(adapter, request.question) if found is None else found)
        ]

    @cached_property
    def source(self) -> Source | None:
        """The sentence that the answer was taken from; None if no adapter keeps the tokens of its documents."""
        if self.plan.quote is not None and self.is_quoted:
            return self.plan.quote.source
        quote = self.plan.quote_given(self.text)
        return find_source(self.evidence, self.text, self._base.decode_text, "" if quote is None else quote.sentence)

    @cached_property
    def stated(self) -> StatedSignals | None:
        """Signals for whether the documents state the answer; None if its source or a document's text is unknown."""
        if self.source is None or not self._knows_all_documents:
            return None
        located = max(document.probabilities.max().item() for document in self.evidence)
        request = self.plan.request
        question, in_chat = ("", "") if request is None else (request.question, request.question_in_chat)
        extracted = self.plan.stated
        if extracted is None:
            extracted = self._find_spans([AskedDocuments(question, self.evidence, in_chat)])[0].stated
        return stated_signals(self.text, self.surprisal, self.source, located, question=question, extracted=extracted)

    @property
    def _knows_all_documents(self) -> bool:
        """Whether the tokens of all documents are kept; a document without them may state the answer."""
        request = self.plan.request
        adapters = () if request is None else request.adapters.adapters
        return len(self.evidence) == sum(len(adapter.provenance.documents) for adapter in adapters)

    @property
    def confidence(self) -> ConfidenceSignals:
        """Signals for whether the answer is right."""
        return ConfidenceSignals(*self.surprisal, *(() if self.stated is None else self.stated[1:]))
