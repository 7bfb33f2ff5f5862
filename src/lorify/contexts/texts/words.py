"""Words of texts: stems and their hashes.

Words are compared by their stems from Porter's English stemmer, which leaves most words of other languages unchanged.
Only hashes of stems are stored.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

import snowballstemmer
import torch
from torch import Tensor

from lorify.base.chat.acronyms import find_acronyms

# In scripts without spaces every character is a word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


def find_words(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the words of a text in order, each with its start and end."""
    for match in _WORD.finditer(text):
        yield match.group(), match.span()


def stem_words(words: Sequence[str]) -> list[str]:
    """Reduce each word to its lower-case English stem (Snowball), in order: `Approves` becomes `approv`."""
    stemmer = snowballstemmer.stemmer("english")  # the stemmer keeps state, so threads cannot share one
    return stemmer.stemWords([word.casefold() for word in words])


def word_stems(text: str) -> set[str]:
    """Collect the stems of all words of a text."""
    return set(stem_words(sorted({word.casefold() for word, _ in find_words(text)})))


def hash_stem(stem: str) -> int:
    """Hash a stem to 63 bits."""
    return int.from_bytes(hashlib.blake2b(stem.encode(), digest_size=8).digest(), "big") >> 1


def hash_words(text: str) -> Tensor:
    """Hash a text's stems, and its acronyms that are spelled like common words: sorted `[words]`, int64."""
    return torch.tensor(sorted(map(hash_stem, word_stems(text) | find_acronyms(text))), dtype=torch.int64)
