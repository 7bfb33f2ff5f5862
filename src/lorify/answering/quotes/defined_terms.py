"""Defined terms: a contract calls Ostrel Heating `the Contractor`, and a question asks who services the boiler."""

from __future__ import annotations

import re

_NAME = (
    r"(?:(?:Mrs?|Ms|Dr|Prof)\.? )?[A-Z][\w&'’-]*(?:\.(?=[\w ]))?"
    r"(?:,? (?:(?:of|the|and|&|de|van|von) )?(?:&|[A-Z][\w&'’-]*(?:\.(?! [a-z]))?))*"
)
_DEFINITION = re.compile(
    rf"(?P<name>{_NAME})\s*\((?:(?:hereinafter|hereafter|in the following|referred to as|called|the)[ ,:]*)*"
    r"[\"“”'‘](?:the )?(?P<term>[A-Z]\w+(?: [A-Z]\w+)?)[\"“”'’]\)"
)


def with_defined_names(text: str, whole: str, question: str = "") -> str:
    """Replace defined terms by the names of the persons and companies that they stand for.

    Args:
        text: a part of the document.
        whole: the document, with `NAME ("the Contractor")` for each such term.
        question: a question about it; terms that it uses itself stay.

    Only terms followed by a lower-case word are replaced: those that the text says something about.

    Example:
        >>> whole = 'Holm Ltd ("the Tenant") rents the mill. The Tenant pays.'
        >>> with_defined_names(whole, whole)
        'Holm Ltd ("the Tenant") rents the mill. Holm Ltd pays.'
    """
    for found in _DEFINITION.finditer(whole):
        if found["term"].casefold() in question.casefold():
            continue
        pattern = rf"\b[Tt]he {re.escape(found['term'])}(?= [a-z])"
        text = re.sub(pattern, lambda _, name=found["name"]: name, text)
    return text
