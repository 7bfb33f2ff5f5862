"""Warnings about documents that are hard to answer questions about, given before they are internalized."""

from __future__ import annotations

import zlib

from lorify.contexts.texts.language import SAMPLE_CHARACTERS, guess_other_language

MIN_CHARACTERS = 2000
"""Shorter texts are not judged by their compression ratio."""
RANDOM_RATIO, REPEATED_RATIO = 0.58, 0.03
"""A text is random if its compression ratio is at least the first number, repetitive if it is at most the second.

English prose has 0.4 to 0.55, tables of numbers 0.2 to 0.45, random lower-case letters 0.62."""


def document_notes(name: str, text: str, num_tokens: int, *, max_focused_tokens: int | None) -> list[str]:
    """Warn about problems of a document, for a hypernetwork that was trained on English documents.

    Args:
        name: name of the document.
        text: its text.
        num_tokens: its length, in tokens of the base.
        max_focused_tokens: longest document whose tokens are kept for focusing; None if there is no such limit.

    Returns:
        Warnings of one sentence each, without a full stop; empty if there are none.
    """
    notes: list[str] = []
    language = guess_other_language(text)
    if language is not None:
        notes.append(
            f"document {name} seems to be in {language}; questions are answered about English documents only, so "
            "expect wrong answers"
        )
    sample = text[:SAMPLE_CHARACTERS].encode(errors="replace")
    ratio = len(zlib.compress(sample)) / max(1, len(sample))
    if len(text) >= MIN_CHARACTERS and ratio <= REPEATED_RATIO:
        notes.append(f"document {name} repeats the same text over and over; one copy of it is enough")
    elif language is None and len(text) >= MIN_CHARACTERS and ratio >= RANDOM_RATIO:
        notes.append(f"document {name} looks like random characters or encoded data; expect wrong answers")
    if max_focused_tokens is not None and num_tokens > max_focused_tokens:
        notes.append(
            f"document {name} has about {num_tokens:,} tokens; adapters of documents above {max_focused_tokens:,} are "
            "not focused on the question, so expect vague answers; split it, or give the part that matters"
        )
    return notes
