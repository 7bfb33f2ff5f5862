"""Acronyms that are spelled like common words: IT is a department, US a country, WHO an organization."""

from __future__ import annotations

import re

ACRONYMS = frozenset({"IT", "US", "WHO"})
"""Other common words in capitals are more likely stressed words than acronyms."""
# WHO as the first word is the question word.
_ACRONYM = re.compile(r"\b(?:IT|US|(?<=\w )WHO|(?<=\w\. )WHO)\b")
_LOWER_CASE_WORD = re.compile(r"\b[^\W\d_A-Z]{2,}\b")
_NO_WORD = "X"


def find_acronyms(text: str) -> frozenset[str]:
    """Collect the acronyms in a text that are spelled like common words; none if the text is all capitals."""
    found = _ACRONYM.findall(text)
    return frozenset(found) if found and _LOWER_CASE_WORD.search(text) else frozenset()


def mask_acronyms(text: str) -> str:
    """Replace these acronyms with meaningless letters of the same length, so that they are not taken for pronouns."""
    return _ACRONYM.sub(lambda found: _NO_WORD * len(found[0]), text) if find_acronyms(text) else text
