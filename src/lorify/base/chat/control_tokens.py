"""Tokenize users' texts so that control tokens in them, such as `<|im_end|>`, stay ordinary text.

A tokenizer turns the text of a control token into the token itself, wherever it occurs. In a chat this would end the
user's turn and open another. `separate` inserts a character that the text does not contain into each control token, so
the tokenizer no longer recognizes it; `encode` then drops that character's tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from transformers import PreTrainedTokenizerBase

# Private-use characters, for which tokenizers have no merges; one that no text contains is used.
_SEPARATORS = tuple(map(chr, range(0xE000, 0xF900)))


def encode_plain(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Tokenize a text without special tokens; the text of a control token is encoded like any other text."""
    separator = choose_separator([text])
    return encode(tokenizer, separate(tokenizer, text, separator), separator, add_special_tokens=False)


def encode_plain_batch(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Tokenize many texts as `encode_plain` does."""
    known = control_tokens(tokenizer)
    encoded = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    return [
        encode_plain(tokenizer, text) if any(token in text for token in known) else list(ids)
        for text, ids in zip(texts, encoded, strict=True)
    ]


def choose_separator(texts: Iterable[str]) -> str:
    """Return a character that none of the texts contains."""
    joined = "".join(texts)
    return next((character for character in _SEPARATORS if character not in joined), _SEPARATORS[0])


def separate(tokenizer: PreTrainedTokenizerBase, text: str, separator: str, *, template_tokens: bool = True) -> str:
    """Put `separator` inside every control token in a text.

    Args:
        tokenizer: the tokenizer.
        text: the text.
        separator: a character that the text does not contain.
        template_tokens: as for `control_tokens`.
    """
    found = [token for token in control_tokens(tokenizer, template_tokens=template_tokens) if token in text]
    while found:  # separating one can leave another that overlaps it
        pattern = "|".join(re.escape(token) for token in sorted(found, key=len, reverse=True))
        text = re.sub(pattern, lambda match: match[0][0] + separator + match[0][1:], text)
        found = [token for token in found if token in text]
    return text


def encode(tokenizer: PreTrainedTokenizerBase, text: str, separator: str, *, add_special_tokens: bool) -> list[int]:
    """Tokenize a text and drop the tokens of `separator`.

    Args:
        tokenizer: the tokenizer.
        text: the text, in which `separate` has been applied to the users' parts.
        separator: the character that `separate` inserted.
        add_special_tokens: add the beginning-of-text token, if the tokenizer does so.
    """
    if separator not in text:
        return list(tokenizer(text, add_special_tokens=add_special_tokens)["input_ids"])
    encoded = tokenizer(text, add_special_tokens=add_special_tokens, return_offsets_mapping=True)
    spans: Sequence[tuple[int, int]] = encoded["offset_mapping"]
    # A token that starts before the separator is kept, since it also holds a character of the text.
    return [
        token
        for token, (start, end) in zip(encoded["input_ids"], spans, strict=True)
        if start == end or text[start] != separator
    ]


def control_tokens(tokenizer: PreTrainedTokenizerBase, *, template_tokens: bool = True) -> list[str]:
    """Return the texts that a tokenizer turns into control tokens, such as `<|im_start|>`.

    Args:
        tokenizer: the tokenizer.
        template_tokens: include tokens that the chat template writes but that are not special, such as `<tool_call>`.
    """
    template = str(tokenizer.chat_template or "") if template_tokens else ""
    added = tokenizer.added_tokens_decoder.values()
    return [
        token.content
        for token in added
        if len(token.content.strip()) > 1 and (token.special or token.content in template)
    ]
