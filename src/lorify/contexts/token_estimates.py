"""Estimate the number of tokens that internalizing will read, from the beginnings of documents."""

from __future__ import annotations

from collections.abc import Iterable

from lorify.base.model import BaseLM
from lorify.contexts.documents import Document
from lorify.contexts.images import Context
from lorify.contexts.tables.json_rows import read_in_words

SAMPLE_CHARACTERS = 20_000


def estimate_tokens(base: BaseLM, contexts: Iterable[Context]) -> int:
    """Estimate the length of documents in tokens, with table rows written as text; images are not counted.

    Returns:
        At least 1.
    """
    total = 0.0
    for document in contexts:
        if isinstance(document, Document):
            sample = document.text[:SAMPLE_CHARACTERS]
            num_tokens = len(base.tokenizer(read_in_words(sample), add_special_tokens=False)["input_ids"])
            total += num_tokens * len(document.text) / max(1, len(sample))
    return max(1, round(total))
