"""Sizes of texts, told without work that is out of proportion to the limit on them.

Tokenizing takes hundreds of bytes a token, so a text is not tokenized as a whole before it is known to be short enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from transformers import PreTrainedTokenizerBase

from lorify.base.model import BaseLM
from lorify.contexts.documents import Document, document_from_text
from lorify.errors import ContextTooLargeError, RequestError

SLICE_CHARACTERS = 1 << 16
MAX_LINES_PER_TOKEN = 4
"""Each line takes a token, except for blank lines, which are mostly dropped."""


class Window:
    """The context window of a base, and what can fit into it."""

    def __init__(self, base: BaseLM) -> None:
        """Take the window of `base`."""
        self._base = base
        self._num_tokens = base.window_tokens

    def check_text(self, text: str, param: str) -> None:
        """Refuse a text that cannot fit; one that is a little too long may pass.

        Raises:
            RequestError: if it does not fit.
        """
        if len(text) > self._num_tokens * longest_token(self._base.tokenizer):
            raise self._too_long(f"{len(text):,} characters", param)
        if len(text) > SLICE_CHARACTERS:
            self.check_tokens(count_tokens(self._base, text, self._num_tokens), param)

    def check_tokens(self, num_tokens: int, param: str) -> None:
        """Refuse a prompt of more tokens than the window has.

        Raises:
            RequestError: if it does not fit.
        """
        if num_tokens > self._num_tokens:
            raise self._too_long(f"at least {num_tokens:,} tokens", param)

    def _too_long(self, size: str, param: str) -> RequestError:
        return RequestError(
            f"the prompt has {size}, and the context window is {self._num_tokens:,} tokens; shorten the prompt or "
            "internalize it",
            param=param,
            code="context_length_exceeded",
        )


@dataclass(frozen=True)
class TextLimits:
    """Limits on the text of a document, checked before it is worked on.

    Attributes:
        max_characters: limit on its characters.
        max_lines: limit on its lines.
    """

    max_characters: int
    max_lines: int

    @classmethod
    def of_tokens(cls, base: BaseLM, max_tokens: int) -> TextLimits:
        """Return what a text of `max_tokens` tokens has at most."""
        return cls(max_tokens * longest_token(base.tokenizer), max_tokens * MAX_LINES_PER_TOKEN)

    def document(self, text: str, name: str) -> Document:
        """Make a document of a text.

        Raises:
            ContextError: if it is empty.
            ContextTooLargeError: if it exceeds a limit.
        """
        for number, limit, unit in (
            (len(text), self.max_characters, "characters"),
            (text.count("\n"), self.max_lines, "lines"),
        ):
            if number > limit:
                raise ContextTooLargeError(f"document {name} has {number:,} {unit}, the limit is {limit:,}; split it")
        return document_from_text(text, name)


def count_tokens(base: BaseLM, text: str, limit: int) -> int:
    """Count the tokens of a text slice by slice, and stop above `limit`; a slice's end can add a token."""
    total = 0
    for start in range(0, len(text), SLICE_CHARACTERS):
        total += len(base.encode_text(text[start : start + SLICE_CHARACTERS]))
        if total > limit:
            return total
    return total


@lru_cache(maxsize=4)
def longest_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the number of characters of a tokenizer's longest token.

    In a byte-level vocabulary a token has a character for each byte, so this is an upper bound.
    """
    return max(map(len, tokenizer.get_vocab()))
