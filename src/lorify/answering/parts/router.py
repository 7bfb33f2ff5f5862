"""Choose the part of an exported adapter that a question is about.

The parts that share most of a question's rare words are read by the extractor, which estimates for each whether it
answers the question. Words alone are not enough where a document is about one thing, which all of its parts name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lorify.answering.parts.folder import PartRecord, read_parts
from lorify.errors import AdapterError, HypernetworkError
from lorify.extraction.extractor import Extractor
from lorify.hypernets.associative.questions.relevance import RELEVANCE_NAME, Relevance, load_relevance
from lorify.hypernets.associative.questions.words import hash_stem, word_stems
from lorify.hypernets.evidence import superseded_documents

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
        """
        parts = read_parts(Path(folder))
        try:
            relevance = load_relevance(Path(folder))
        except HypernetworkError as error:
            raise AdapterError(f"{Path(folder) / RELEVANCE_NAME} is damaged; export the adapter again") from error
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
        candidates = sorted(range(len(self.parts)), key=shared.__getitem__, reverse=True)[:CANDIDATES]
        answers = {i: shared[i] / total if total else 0.0 for i in candidates}  # how probably each answers the question
        if self.extractor is not None and total:
            read = self.extractor.find([(question, self.parts[i].text) for i in candidates])
            answers = {i: 0.0 if found is None else found.stated for i, found in zip(candidates, read, strict=True)}
        return self.parts[max(self._latest(answers, shared), key=answers.__getitem__)]

    def _latest(self, answers: Mapping[int, float], shared: Sequence[float]) -> list[int]:
        """Leave out parts of documents before the latest one that answers the question (`superseded_documents`)."""
        documents = list(dict.fromkeys(self.parts[i].document for i in sorted(answers)))
        of = {name: [i for i in answers if self.parts[i].document == name] for name in documents}
        probabilities = [max(answers[i] for i in of[name]) for name in documents]
        overlaps = [max(shared[i] for i in of[name]) for name in documents]
        earlier = {documents[number] for number in superseded_documents(probabilities, overlaps)}
        return [i for i in answers if self.parts[i].document not in earlier]

    @cached_property
    def _words(self) -> list[frozenset[int]]:
        """Hashes of the words of each part."""
        return [frozenset(map(hash_stem, word_stems(part.text))) for part in self.parts]

    @cached_property
    def _all_words(self) -> frozenset[int]:
        return frozenset[int]().union(*self._words)
