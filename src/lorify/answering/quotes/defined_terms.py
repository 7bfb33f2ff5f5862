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
    """Put the names of persons and companies in the place of the terms that a document defines for them.

    Args:
        text: a part of the document.
        whole: the document, with `NAME ("the Contractor")` for each such term.
        question: a question about it; a term that it uses itself stays.

    Only terms that a word in lower case follows are replaced: those of which something is said.

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
