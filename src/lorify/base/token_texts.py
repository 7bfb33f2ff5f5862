"""The text of single tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

Decode = Callable[[Sequence[int]], str]
"""Token ids -> text."""
UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""What tokenizers decode the start of a character to if the rest of it is in the next tokens."""
MAX_CHARACTER_TOKENS = 4
"""A character takes at most this many tokens."""


def token_texts(ids: Sequence[int], decode: Decode) -> Iterator[str]:
    """Yield the text that each token adds; the last token of a character adds the whole character."""
    before: list[int] = []
    pending: list[int] = []
    for token in ids:
        pending.append(token)
        # Some tokenizers drop a leading space when decoding, so each token is decoded after another one.
        text = decode([*before, *pending])[len(decode(before)) if before else 0 :]
        if text.endswith(UNFINISHED) and len(pending) < MAX_CHARACTER_TOKENS:
            yield ""
            continue
        yield text
        before, pending = [pending[-1]] if len(pending) == 1 else [], []
