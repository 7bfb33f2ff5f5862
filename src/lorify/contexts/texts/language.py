"""Guess from common words whether a document is in a language that the shipped hypernetworks do not support."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

ENGLISH = "English"
MIN_WORDS = 20
"""Shorter texts are not judged."""
SAMPLE_CHARACTERS = 20_000
LATIN_SHARE = 0.5
"""Smallest fraction of Latin letters in a text in Latin script."""

FUNCTION_WORDS = {
    ENGLISH: "the of and to is that for with was as are be by from have has which not this will or may at an it on",
    "German": "der die das und ist nicht mit den von zu ein eine für auf dem des im sich auch werden wird oder bei aus",
    "French": "le la les des est et une dans que qui pour pas sur avec ce sont du au par plus être il elle ou cette",
    "Spanish": "el los las del es y una que por para con se su como más pero al son está este lo tiene fue ser",
    "Italian": "il gli della è e una che per con non sono di nel si dei alla più anche come questo ha delle sono",
    "Portuguese": "o os as do da é e uma que para com não se em por mais dos como foi ao ou ser são na no",
    "Dutch": "de het een en van is dat niet op te zijn voor met die aan er ook als bij door worden wordt naar heeft",
}
_WORDS = {language: frozenset(words.split()) for language, words in FUNCTION_WORDS.items()}
_WORD = re.compile(r"[^\W\d_]+")


def guess_other_language(text: str) -> str | None:
    """Name the language of a text if it is not English, or its script if it is not Latin.

    Args:
        text: the text; only its beginning is read.

    Returns:
        A language, such as `German`, or a script, such as `a script other than Latin`; None if the text may be English,
        is too short to tell, or has hardly any words, like tables and code.
    """
    words = _WORD.findall(text[:SAMPLE_CHARACTERS].lower())
    if len(words) < MIN_WORDS:
        return None
    letters = "".join(words)
    latin = sum(unicodedata.name(letter, "").startswith("LATIN") for letter in letters)
    if latin < LATIN_SHARE * len(letters):
        return "a script other than Latin"
    counts = Counter(language for word in words for language, known in _WORDS.items() if word in known)
    language, count = max(counts.items(), key=lambda item: item[1], default=(ENGLISH, 0))
    is_clear = count >= 0.1 * len(words) and count > 1.5 * counts[ENGLISH]
    return language if language != ENGLISH and is_clear else None
