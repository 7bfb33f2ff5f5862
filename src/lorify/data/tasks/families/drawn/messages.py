"""Messages composed of sentences in random order; used by the families of requests and lookups."""

from __future__ import annotations

from collections.abc import Sequence

from lorify.data.text import capitalize_first

_CAPITALIZING_SEPARATORS = (". ", "! ")
SENTENCE_SEPARATORS = (*_CAPITALIZING_SEPARATORS, "; ", " and ")


def write_message(opening: str, sentences: Sequence[str], separator: str) -> str:
    """Join sentences, which may have slots for values, into a message.

    Args:
        opening: text before the first sentence.
        sentences: sentences without capital and full stop.
        separator: one of `SENTENCE_SEPARATORS`; some of them capitalize the next sentence.
    """
    texts = map(capitalize_first, sentences) if separator in _CAPITALIZING_SEPARATORS else sentences
    return capitalize_first(f"{opening}{separator.join(texts)}.")
