"""Decide which questions are answered with a quote, and find it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lorify.answering.quotes.lists import asks_for_list, find_list
from lorify.answering.quotes.offered import find_choice, offers_choices
from lorify.answering.quotes.reasons import asks_for_reason, find_reason
from lorify.answering.quotes.texts import asks_for_summary, asks_for_topic, find_summary, find_topic
from lorify.answering.sources import Source, sentences_of
from lorify.base.token_texts import Decode
from lorify.hypernets.evidence import TokenEvidence


@dataclass(frozen=True)
class Quote:
    """Words of a document that answer a question.

    Attributes:
        text: the words, in one line.
        source: the sentence they are from, or the first of several; None if only the reader's or the extractor's
            probability supports them, in which case they are doubted like an answer of the base.
        probability: how likely the words are the answer.
        sentence: the sentence that a verdict is read from; empty for other words.
    """

    text: str
    source: Source | None
    probability: float = 0.5
    sentence: str = ""

    @property
    def is_certain(self) -> bool:
        """Whether the quote needs no further check."""
        return self.source is not None


Sentences = Sequence[Sequence[Source]]
"""The sentences of each document."""
Found = tuple[str, Source]
"""The text of a quote, and where it is from."""


class QuoteKind(NamedTuple):
    """A kind of question that is answered with a quote.

    Attributes:
        asks: whether a question is of this kind.
        find: finds the quote in the sentences of each document.
        if_relevant: quote only documents that the question is relevant to. Other kinds ask about the documents
            themselves, or whether they mention something.
        min_words: words found by the extractor or the reader are quoted instead if their probability is at least this,
            or if there is no quote of this kind; None: never.
        is_whole: whether this quote is kept if those words are only a part of it, such as one item of a list.
    """

    asks: Callable[[str], bool]
    find: Callable[[str, Sentences], Found | None]
    if_relevant: bool
    min_words: float | None = None
    is_whole: bool = False


KINDS = (
    QuoteKind(asks_for_summary, find_summary, if_relevant=False),
    QuoteKind(asks_for_topic, find_topic, if_relevant=False),
    QuoteKind(asks_for_reason, find_reason, if_relevant=True, min_words=0.1),
    QuoteKind(offers_choices, find_choice, if_relevant=True, min_words=0.2),
    QuoteKind(asks_for_list, find_list, if_relevant=True, min_words=0.3, is_whole=True),
)
"""The first matching kind is used."""


def quote_kind(question: str, *, is_relevant: bool = True) -> QuoteKind | None:
    """Find the kind of quote that may answer a question.

    Args:
        question: the question.
        is_relevant: whether it is relevant to the documents.

    Returns:
        The kind of question; None if the base answers it.
    """
    kind = next((kind for kind in KINDS if kind.asks(question)), None)
    return kind if kind is not None and (is_relevant or not kind.if_relevant) else None


def find_quote(kind: QuoteKind, question: str, evidence: Sequence[TokenEvidence], decode: Decode) -> Quote | None:
    """Find the words of documents that answer a question.

    Args:
        kind: the kind of the question.
        question: the question.
        evidence: the documents that were asked, with the reader's probabilities.
        decode: token ids -> text.

    Returns:
        The quote; None if no document keeps its tokens, or none clearly answers the question.
    """
    documents = [[s for s in sentences_of(document, decode) if s.sentence] for document in evidence]
    found = kind.find(question, documents) if any(documents) else None
    return None if found is None else Quote(*found)
