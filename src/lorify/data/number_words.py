"""Numbers in English words."""

from __future__ import annotations

import re

_BELOW_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()

NUMBER_WORDS: tuple[str, ...] = (*_BELOW_TWENTY, _TENS[0])
"""The words for 0 to 20, indexed by number."""
LARGE_NUMBERS = {"thousand": 10**3, "million": 10**6, "billion": 10**9}

_SMALL = {word: n for n, word in enumerate(_BELOW_TWENTY)} | {word: 10 * n for n, word in enumerate(_TENS, 2)}
_COUNTED = {"hundred": 100, "dozen": 12}
_WORD = "|".join([*_SMALL, *_COUNTED, *LARGE_NUMBERS])

NUMBER_IN_WORDS = re.compile(rf"\b(?:{_WORD})(?:(?:[- ]|\s+and\s+)(?:{_WORD}))*\b", re.IGNORECASE)
"""A number in words, such as `forty`, `two hundred and five` or `three million`."""


def read_number_words(text: str) -> int:
    """Compute the number expressed by words that match `NUMBER_IN_WORDS`."""
    total = part = 0
    for word in re.findall(r"[a-z]+", text.lower()):
        if word in _SMALL:
            part += _SMALL[word]
        elif word in _COUNTED:
            part = max(part, 1) * _COUNTED[word]
        elif word in LARGE_NUMBERS:
            total, part = total + max(part, 1) * LARGE_NUMBERS[word], 0
    return total + part
