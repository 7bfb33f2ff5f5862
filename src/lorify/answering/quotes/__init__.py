"""Questions that are answered with the documents' own words: summaries, reasons, lists, choices and short answers.

A small base that was trained to give short answers does none of these well.
"""

from lorify.answering.quotes.quote import Quote, QuoteKind, find_quote, quote_kind
from lorify.answering.quotes.spans import (
    AskedDocuments,
    Finding,
    FoundSpan,
    asks_for_verdict,
    asks_for_words,
    find_spans,
)

__all__ = [
    "AskedDocuments",
    "Finding",
    "FoundSpan",
    "Quote",
    "QuoteKind",
    "asks_for_verdict",
    "asks_for_words",
    "find_quote",
    "find_spans",
    "quote_kind",
]
