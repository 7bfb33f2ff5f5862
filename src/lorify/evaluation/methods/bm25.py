"""BM25 retrieval of the chunks of a text that match a question."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from snowballstemmer import stemmer

Retriever = Callable[[str, int], list[str]]
"""(question, number of chunks) -> the best chunks, in the order of the text."""


def load_bm25() -> Callable[[Sequence[str]], Retriever]:
    """Load the package bm25s.

    Returns:
        A function that indexes chunks of text and returns their retriever. Words are compared by their stems.
    """
    import bm25s  # imported here because only one method uses it

    logging.getLogger("bm25s").setLevel(logging.WARNING)  # it logs every index otherwise
    stem = stemmer("english").stemWords

    def tokenize(texts: list[str]) -> list[list[str]]:
        found = bm25s.tokenize(texts, stopwords="en", stemmer=stem, return_ids=False, show_progress=False)
        assert isinstance(found, list)
        return found

    def build(chunks: Sequence[str]) -> Retriever:
        tokens = tokenize(list(chunks))
        index = bm25s.BM25() if any(tokens) else None
        if index is not None:
            index.index(tokens, show_progress=False)

        def retrieve(question: str, num_chunks: int) -> list[str]:
            words = tokenize([question])[0]
            scores = index.get_scores(words) if index is not None and words else [0.0] * len(chunks)
            best = sorted(range(len(chunks)), key=lambda i: (-scores[i], i))[:num_chunks]
            return [chunks[i] for i in sorted(best)]

        return retrieve

    return build
