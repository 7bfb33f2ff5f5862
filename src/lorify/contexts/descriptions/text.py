"""Check and tokenize task descriptions."""

from __future__ import annotations

import re
import warnings

from transformers import PreTrainedTokenizerBase

from lorify.errors import ContextError

MAX_CHARACTERS_PER_TOKEN = 40
MIN_WORDS_TO_JUDGE = 6
# Almost every longer English description contains one of these words; few in other languages do.
ENGLISH_WORDS = frozenset(
    "the of and to with by if from for this that these those you it are be each every which whether into using what "
    "when where who than only not your their write answer return given sentence word words number".split()
)


class DescriptionWarning(UserWarning):
    """The description was encoded, but the adapter may not follow it."""


def tokenize_description(
    description: str, tokenizer: PreTrainedTokenizerBase, *, max_tokens: int, encoder_name: str, english_only: bool
) -> list[int]:
    """Return the token ids of a description, special tokens included.

    As in Text-to-LoRA, a full stop is added to a description that ends with a letter.

    Args:
        description: the description.
        tokenizer: the encoder's tokenizer.
        max_tokens: longest input of the encoder, in tokens.
        encoder_name: name of the encoder, for messages.
        english_only: whether to warn about descriptions in other languages.

    Raises:
        ContextError: if the description is empty or longer than `max_tokens`.
    """
    text = description.strip()
    if not text:
        raise ContextError("the task description is empty; describe the task in a sentence or two")
    advice = "shorten it to the task itself, and internalize longer text as a document"
    if len(text) > max_tokens * MAX_CHARACTERS_PER_TOKEN:  # certainly too long; tokenizing it would take long
        raise ContextError(
            f"the task description has {len(text):,} characters, but {encoder_name} reads at most {max_tokens} "
            f"tokens; {advice}"
        )
    text += "." if text[-1].isalpha() else ""
    ids = list(tokenizer(text, truncation=False, verbose=False)["input_ids"])
    if len(ids) > max_tokens:
        raise ContextError(
            f"the task description has {len(ids)} tokens, but {encoder_name} reads at most {max_tokens}; {advice}"
        )
    if english_only and not looks_english(text):
        warnings.warn(
            f"the task description {text[:40]!r}... does not look English, and {encoder_name} knows English only: the "
            "adapter may not follow it; describe the task in English",
            DescriptionWarning,
            stacklevel=4,
        )
    return ids


def looks_english(text: str) -> bool:
    """Guess whether a text is English: mostly ASCII letters and, unless very short, a common English word."""
    letters = [character for character in text if character.isalpha()]
    if sum(character.isascii() for character in letters) < 0.8 * len(letters):
        return False
    words = re.findall(r"[^\W\d_]+", text.lower())
    return len(words) < MIN_WORDS_TO_JUDGE or not ENGLISH_WORDS.isdisjoint(words)
