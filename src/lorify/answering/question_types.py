"""Whether an answer is of the type that its question asks for: a name, a number, a date, a place, yes or no."""

from __future__ import annotations

import re

_NUMBER = r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|dozen|hundred|thousand)\b"
_DATE = (
    r"\d|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b"
    r"|\b(?:spring|summer|autumn|fall|winter|morning|noon|evening|night|midnight|century)\b"
)
_NAME = r"(?-i:[A-Z])|\bthe \w+"
_PLACE = r"(?-i:[A-Z])|\b(?:in|at|on|near|beside|under|behind)\b"

_TYPES = tuple(
    (re.compile(question, re.IGNORECASE), re.compile(answer, re.IGNORECASE))
    for question, answer in (
        (
            r"^\W*(?:is|are|was|were|do|does|did|can|may|must|has|have|had|will|would|should|could)\b",
            r"^\W*(?:yes|no)\b",
        ),
        (r"\bhow (?:many|much|old|long|far|high|tall|big|large|deep|often|heavy|wide|fast)\b", _NUMBER),
        (r"\bwhen\b|\b(?:what|which|in what|on what) (?:year|date|day|month|weekday|time|century)\b", _DATE),
        (r"\bwhere\b|\b(?:what|which) (?:city|country|town|state|place|village)\b", _PLACE),
        (r"\b(?:who|whom|whose)\b", _NAME),
    )
)


def fits_question(question: str, answer: str) -> float:
    """Return 1 if an answer is of the type that the question asks for, -1 if it is not, and 0 if the type is unknown.

    Example: `When does it open?` asks for a time: `9:00` fits, and `the baker` does not.
    """
    for asked, expected in _TYPES:
        if asked.search(question):
            return 1.0 if expected.search(answer) else -1.0
    return 0.0
