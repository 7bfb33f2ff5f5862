"""Questions that are answered with the documents' own words: summaries, topics, reasons and lists.

A small base that is adapted to short answers does none of these well.
"""

from lorify.answering.quotes.quote import Quote, asks_for_quote, find_quote

__all__ = ["Quote", "asks_for_quote", "find_quote"]
