"""Words that carry content."""

from __future__ import annotations

from lorify.hypernets.associative.questions.words import word_stems

_FUNCTION_WORDS = word_stems(
    "a an the of in on at to for by with from and or but not no it its this that these those he she they his her their "
    "is are was were be been being do does did has have had can could will would shall should may might must there "
    "here as if than then so such about into over under between after before what which who whom whose when where why "
    "how all any"
)


def content_words(text: str) -> set[str]:
    """Collect the stems of the words of a text that are not function words."""
    return word_stems(text) - _FUNCTION_WORDS
