"""Warnings about task descriptions and examples that are likely to work badly."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from lorify.contexts.descriptions.text import looks_english

LONG_WORDS = 60
"""A description with more words contains a lot besides the task."""

_OVERRIDE = re.compile(
    r"\b(?:ignore|disregard|forget)\b.{0,30}\b(?:instruction|prompt|message|rule)s?\b"
    r"|\b(?:reveal|repeat|print|show)\b.{0,30}\b(?:system (?:prompt|message)|instructions)\b",
    re.IGNORECASE | re.DOTALL,
)
_MAX_WORDS = re.compile(r"\b(?:at most|no more than|up to|maximum of)\s+(\w+)\s+words?\b", re.IGNORECASE)
_ONE_WORD = re.compile(r"\b(?:in|with|exactly|only|just|a)\s+(?:one|single)\s+word\b", re.IGNORECASE)
_NUMBERS = {word: number for number, word in enumerate("one two three four five six seven eight nine ten".split(), 1)}
_YES_NO = re.compile(r"\byes or no\b", re.IGNORECASE)
_CAPITALS = re.compile(r"\b(?:in|as|with)\s+(?:all\s+)?(?:capital letters|capitals|upper ?case)\b", re.IGNORECASE)
_JSON = re.compile(r"\b(?:as|in|valid|return|write)\s+(?:a\s+)?JSON\b", re.IGNORECASE)


def task_notes(description: str, examples: Sequence[tuple[str, str]] = ()) -> list[str]:
    """List problems that may keep an adapter from doing its task.

    Args:
        description: the description of the task.
        examples: (input, output).

    Returns:
        One line per problem; the adapter can still be made.
    """
    notes = []
    num_words = len(description.split())
    if num_words > LONG_WORDS:
        notes.append(
            f"the description has {num_words} words, and text around a task costs right answers; describe the task in "
            "a sentence or two"
        )
    if _OVERRIDE.search(description):
        notes.append(
            "the description asks to ignore or reveal instructions, which has no effect: nothing but the description "
            "is in the adapter; describe what to do with an input"
        )
    return notes + _form_notes(description, examples)


def language_notes(description: str) -> list[str]:
    """Warn about a description that does not look English; on the command line, its encoder gives this warning."""
    if looks_english(description):
        return []
    return ["the description does not look English, and may not be followed; describe the task in English"]


def _form_notes(description: str, examples: Sequence[tuple[str, str]]) -> list[str]:
    """For each form that the description asks for, name the first output without it."""
    notes = []
    for form, has_form in _forms(description).items():
        wrong = next((output for _, output in examples if not has_form(output)), None)
        if wrong is not None:
            notes.append(
                f"the description asks for {form}, but the output {wrong[:40]!r} of an example is not; change one of "
                "them"
            )
    return notes


def _forms(description: str) -> dict[str, Callable[[str], bool]]:
    """Find the forms of answers that a description explicitly asks for, with a test for each."""
    forms: dict[str, Callable[[str], bool]] = {}
    if _JSON.search(description):
        forms["JSON"] = _is_json
    if _YES_NO.search(description):
        forms["yes or no"] = lambda output: output.strip(" .!").lower() in ("yes", "no")
    if _CAPITALS.search(description):
        forms["capital letters"] = lambda output: output == output.upper()
    limit = _max_words(description)
    if limit is not None:
        forms[f"at most {limit} word{'s' if limit > 1 else ''}"] = lambda output: len(output.split()) <= limit
    return forms


def _max_words(description: str) -> int | None:
    if _ONE_WORD.search(description):
        return 1
    found = _MAX_WORDS.search(description)
    if found is None:
        return None
    text = found.group(1).lower()
    return int(text) if text.isdecimal() else _NUMBERS.get(text)


def _is_json(text: str) -> bool:
    """Whether a text is a JSON object or array; a request for JSON rarely means a bare number."""
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False
