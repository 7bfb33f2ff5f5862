"""Choose the part of an exported adapter that a question is about.

The parts that share most of a question's rare words are read by the extractor, which estimates for each whether it
answers the question. Words alone are not enough where a document is about one thing, which all of its parts name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lorify.answering.parts.folder import PartRecord, read_parts
from lorify.errors import AdapterError
from lorify.extraction.extractor import Extractor
from lorify.hypernets.associative.questions.relevance import RELEVANCE_NAME, Relevance, load_relevance
from lorify.hypernets.associative.questions.words import hash_stem, word_stems

CANDIDATES = 8
"""So many parts are read by the extractor."""


@dataclass(frozen=True)
class PartRouter:
    """Chooses among the parts of an exported adapter.

    Attributes:
        parts: the parts.
        relevance: weights of words, and the threshold below which a question is about none of the documents.
        extractor: reads the parts; None: words alone decide.
    """

    parts: Sequence[PartRecord]
    relevance: Relevance
    extractor: Extractor | None = None

    @classmethod
    def load(cls, folder: Path | str, extractor: Extractor | None = None) -> PartRouter:
        """Read the folder of an adapter that was exported in parts.

        Args:
            folder: the folder.
            extractor: reads the parts; None: words alone decide. `lorify.load_router` takes the one that ships.

        Raises:
            AdapterError: if the folder is not such an export, or a file of it is damaged.
            HypernetworkError: if its weights of words are damaged.
        """
        parts, relevance = read_parts(Path(folder)), load_relevance(Path(folder))
        if relevance is None:
            raise AdapterError(f"{Path(folder) / RELEVANCE_NAME} is missing; export the adapter again")
        return cls(parts, relevance, extractor)

    def choose(self, question: str, *, only_if_relevant: bool = True) -> PartRecord | None:
        """Choose a part.

        Args:
            question: the question.
            only_if_relevant: choose none for a question that is not about the documents.

        Returns:
            The part; None if the base should answer without an adapter.
        """
        rarities = self.relevance.rarities(question)
        total = sum(rarities.values())
        found = sum(weight for word, weight in rarities.items() if word in self._all_words)
        if only_if_relevant and (not total or found / total < self.relevance.threshold):
            return None
        shared = [sum(weight for word, weight in rarities.items() if word in words) for words in self._words]
        # Of equal ones the last: where versions of a document contradict each other, the one added last is preferred.
        best = sorted(range(len(self.parts)), key=lambda i: (shared[i], i), reverse=True)[:CANDIDATES]
        if self.extractor is None or not question.strip():
            return self.parts[best[0]]
        read = self.extractor.find([(question, self.parts[i].text) for i in best])
        stated = {i: 0.0 if words is None else words.stated for i, words in zip(best, read, strict=True)}
        return self.parts[max(best, key=lambda i: (stated[i], i))]

    @cached_property
    def _words(self) -> list[frozenset[int]]:
        """Hashes of the words of each part."""
        return [frozenset(map(hash_stem, word_stems(part.text))) for part in self.parts]

    @cached_property
    def _all_words(self) -> frozenset[int]:
        return frozenset[int]().union(*self._words)
