"""Questions that are answered with the documents' own words: summaries, topics, reasons, lists and choices.

A small base that is adapted to short answers does none of these well.
"""

from lorify.answering.quotes.quote import Quote, find_quote, quote_kind

__all__ = ["Quote", "find_quote", "quote_kind"]
