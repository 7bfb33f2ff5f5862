"""Choose the part of an exported adapter that a question is about.

Each passage is read together with the one before it, which may hold the nouns that its pronouns refer to. The extractor
reads the passages that share most of the question's rare words, estimates whether each answers the question, and finds
the answer in the best one. The part whose clause contains the start of the answer is chosen. Words alone are not enough
if a document is about one thing that all of its passages name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

from lorify.answering.parts.records import PartRecord, read_parts
from lorify.contexts.texts.words import hash_stem, word_stems
from lorify.errors import AdapterError, HypernetworkError
from lorify.extraction.extractor import Extractor
from lorify.hypernets.evidence import superseded_documents
from lorify.hypernets.relevance import RELEVANCE_NAME, Relevance, load_relevance

CANDIDATES = 8
"""Number of texts that the extractor reads."""


_DocumentKey = tuple[int | None, str]
"""Number of a document (None in earlier exports) and its name."""


@dataclass(frozen=True)
class _Text:
    """A passage together with the one before it.

    Attributes:
        parts: indices of their parts, in order.
        first: index in `parts` of the passage's own first part.
        text: the text of the parts.
    """

    parts: Sequence[int]
    first: int
    text: str

    @cached_property
    def words(self) -> frozenset[int]:
        """Hashes of its words."""
        return _hash_words(self.text)


@dataclass(frozen=True)
class PartRouter:
    """Chooses among the parts of an exported adapter.

    Attributes:
        parts: the parts.
        relevance: word weights, and the threshold below which a question is about none of the documents.
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
            extractor: reads the parts; None: words alone decide. `lorify.load_router` uses the shipped one.

        Raises:
            AdapterError: if the folder is not such an export, or one of its files is damaged.
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
            only_if_relevant: return None for a question that is not about the documents.

        Returns:
            The part; None if the base should answer without an adapter.
        """
        rarities = self.relevance.rarities(question)
        total = sum(rarities.values())
        found = _shared_weight(rarities, self._all_words)
        if only_if_relevant and (not total or found / total < self.relevance.threshold):
            return None
        shared = [_shared_weight(rarities, text.words) for text in self._texts]
        candidates = sorted(range(len(self._texts)), key=shared.__getitem__, reverse=True)[:CANDIDATES]
        answers = {i: shared[i] / total if total else 0.0 for i in candidates}  # how likely each answers the question
        begins: dict[int, int] = {}  # first character of the answer
        if self.extractor is not None and total:
            read = self.extractor.find([(question, self._texts[i].text) for i in candidates])
            answers = {i: 0.0 if found is None else found.stated for i, found in zip(candidates, read, strict=True)}
            begins = {i: found.begin for i, found in zip(candidates, read, strict=True) if found is not None}
        best = max(self._latest(answers, shared), key=answers.__getitem__)
        text = self._texts[best]
        if best in begins:
            return self.parts[self._part_at(text, begins[best])]
        own = {i: _shared_weight(rarities, _hash_words(self.parts[i].text)) for i in text.parts[text.first :]}
        return self.parts[max(own, key=own.__getitem__)]

    def _part_at(self, text: _Text, character: int) -> int:
        """Find the part that contains a character of a text."""
        ends = accumulate(len(self.parts[i].text) for i in text.parts)
        return next(i for i, end in zip(text.parts, ends, strict=True) if character < end)

    def _latest(self, answers: Mapping[int, float], shared: Sequence[float]) -> list[int]:
        """Drop texts of documents earlier than the latest one that answers the question (`superseded_documents`)."""
        documents = list(dict.fromkeys(self._document_of(i) for i in sorted(answers)))
        of = {document: [i for i in answers if self._document_of(i) == document] for document in documents}
        probabilities = [max(answers[i] for i in of[document]) for document in documents]
        overlaps = [max(shared[i] for i in of[document]) for document in documents]
        earlier = {documents[index] for index in superseded_documents(probabilities, overlaps)}
        return [i for i in answers if self._document_of(i) not in earlier]

    def _document_of(self, text: int) -> _DocumentKey:
        return _document_key(self.parts[self._texts[text].parts[-1]])

    @cached_property
    def _texts(self) -> list[_Text]:
        """Each passage together with the one before it in its document."""
        passages: dict[int, list[int]] = {}
        for i, part in enumerate(self.parts):
            passages.setdefault(part.passage, []).append(i)
        texts: list[_Text] = []
        before = list[int]()
        for own in passages.values():
            is_continued = bool(before) and _document_key(self.parts[before[-1]]) == _document_key(self.parts[own[0]])
            parts = [*before, *own] if is_continued else own
            texts.append(_Text(parts, len(parts) - len(own), "".join(self.parts[i].text for i in parts)))
            before = own
        return texts

    @cached_property
    def _all_words(self) -> frozenset[int]:
        return frozenset[int]().union(*(text.words for text in self._texts))


def _document_key(part: PartRecord) -> _DocumentKey:
    return part.document_number, part.document


def _hash_words(text: str) -> frozenset[int]:
    return frozenset(map(hash_stem, word_stems(text)))


def _shared_weight(rarities: Mapping[int, float], words: frozenset[int]) -> float:
    """Sum the weights of a question's words that occur in a set of words."""
    return sum(weight for word, weight in rarities.items() if word in words)
