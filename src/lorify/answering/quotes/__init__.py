"""Questions that are answered with the documents' own words: summaries, reasons, lists, choices and short answers.

A small base that is adapted to short answers does none of these well.
"""

from lorify.answering.quotes.quote import Quote, find_quote, find_span_quote, quote_kind

__all__ = ["Quote", "find_quote", "find_span_quote", "quote_kind"]
