"""Mail headers: `Who sent the e-mail?` is answered with the `From:` line."""

from __future__ import annotations

import re
from itertools import takewhile

from lorify.answering.quotes.sections import Section

MIN_HEADERS = 2
"""A text is a mail if its first lines have at least this many headers."""
_MAIL = r"(?:(?:the|this|that) (?:e-?mail|mail|message)|it)"
_HEADER = re.compile(r"(From|To|Cc|Bcc|Reply-To|Subject|Date|Sent): +(?=\S)")
_ASKS = {
    "From": rf"who (?:sent|wrote) {_MAIL}|who (?:is|was) {_MAIL} (?:from|sent by|written by)"
    r"|who is the sender|what is the (?:sender|sender'?s|author'?s|from) (?:e-?mail|mail|e-?mail address|address)",
    "To": rf"(?:who|whom) (?:is|was) {_MAIL} (?:sent |addressed |written )?(?:to|for)|to whom (?:is|was) {_MAIL}\b.*"
    rf"|who (?:got|received) {_MAIL}|who is the (?:recipient|addressee)"
    r"|what is the recipient(?:'?s)? (?:e-?mail|mail|e-?mail address|address)",
    "Cc": r"(?:who|what) (?:is|are|was|were) (?:in |on |the )?(?:copy|cc)|who (?:is|was|were|are) copied",
    "Subject": r"what is the subject(?: line)?",
    "Date": rf"(?:when|on (?:which|what) (?:day|date)) was {_MAIL} (?:sent|written)|what is the date",
}
_QUESTIONS = {
    header: re.compile(rf"^\W*(?:and )?(?:{asks})(?: (?:of|in) {_MAIL})?\W*$", re.IGNORECASE)
    for header, asks in _ASKS.items()
}


def find_header(question: str, text: str) -> Section | None:
    """Find the header line of a mail that a question asks for.

    Args:
        question: the question.
        text: a text.
    """
    wanted = next((header for header, asks in _QUESTIONS.items() if asks.search(question)), None)
    if wanted is None:
        return None
    lines = list(takewhile(_HEADER.match, text.lstrip().split("\n")))
    line = next((line for line in lines if line.startswith(f"{wanted}: ")), None)
    if line is None or len(lines) < MIN_HEADERS:
        return None
    return Section(wanted, (line.removeprefix(f"{wanted}: ").strip(),))
