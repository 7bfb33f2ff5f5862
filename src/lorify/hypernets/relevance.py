"""Relevance: is a question about the documents of an adapter? If not, the bare base answers it.

An adapter is linear in its input, so it also acts on questions that it knows nothing about: a document's memory
disturbs answers about anything else. Relevance is therefore decided before the adapter is applied, from word overlap:
the share of the question's words, weighted by rarity, that also occur in the documents. Weights and threshold are
fitted to the meta-training data. An adapter keeps a set of word hashes for each document, so adding and removing
documents stays exact.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from lorify.atomic import replaced_file
from lorify.base.chat.acronyms import find_acronyms
from lorify.contexts.texts.words import hash_stem, hash_words, word_stems
from lorify.errors import HypernetworkError, first_problem

RELEVANCE_NAME = "relevance.json"
MAX_WEIGHTED_STEMS = 8000
MISS_COST = 3
"""Cost of sending a question about the documents to the bare base, relative to the opposite mistake."""


class Relevance(BaseModel):
    """Fitted word weights and threshold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float = Field(
        ge=0, le=1, description="Minimum share of a question's word weight found in the documents."
    )
    unseen_weight: float = Field(ge=0, description="Weight of a word that is not in `weights`.")
    weights: dict[str, float] = Field(description="Word stem -> its weight, the log of how rare it is.")

    def score(self, question: str, words: Tensor) -> float:
        """Compute the share of a question's word weight that occurs in the documents.

        Args:
            question: the question.
            words: hashes of the documents' words, from `hash_words` `[words]`.

        Returns:
            From 0 to 1; 0 for a question without words.
        """
        known = set(words.tolist())
        # If the acronym is not in the documents, `IT` counts as little as the pronoun.
        acronyms = {acronym for acronym in find_acronyms(question) if hash_stem(acronym) in known}
        stems = word_stems(question) - {acronym.casefold() for acronym in acronyms} | acronyms
        total = sum(self._weight(stem) for stem in stems)
        shared = sum(self._weight(stem) for stem in stems if hash_stem(stem) in known)
        return shared / total if total else 0.0

    def is_relevant(self, question: str, words: Tensor) -> bool:
        """Return whether a question is about the documents with these word hashes `[words]`."""
        return self.score(question, words) >= self.threshold

    def rarities(self, question: str) -> dict[int, float]:
        """Map the hash of each word of a question to its weight, the log of how rare it is."""
        rarities = {hash_stem(stem): self._weight(stem) for stem in sorted(word_stems(question))}
        # Words of documents are hashed in lower case.
        return rarities | {hash_stem(each.casefold()): self.unseen_weight for each in find_acronyms(question)}

    def _weight(self, stem: str) -> float:
        return self.weights.get(stem, self.unseen_weight)


def fit_relevance(pairs: Sequence[tuple[str, str]], unrelated: Sequence[str]) -> Relevance:
    """Fit word weights and threshold.

    The threshold minimizes the rate of misses (questions below it with their own document), weighted by `MISS_COST`,
    plus the rate of false alarms (unrelated questions, and questions with another document, above it).

    Args:
        pairs: questions, each with the text of its document.
        unrelated: questions about none of the documents.
    """
    texts = [*{document for _, document in pairs}, *(question for question, _ in pairs), *unrelated]
    unfitted = _fit_weights(texts)
    words = {document: hash_words(document) for _, document in pairs}
    own = [unfitted.score(question, words[document]) for question, document in pairs]
    others = [pairs[(i + len(pairs) // 2) % len(pairs)][1] for i in range(max(len(pairs), len(unrelated)))]
    foreign = [
        unfitted.score(question, words[document])
        for (question, own_document), document in zip(pairs, others, strict=False)
        if document != own_document
    ]
    foreign += [
        unfitted.score(question, words[document]) for question, document in zip(unrelated, others, strict=False)
    ]
    return unfitted.model_copy(update={"threshold": _best_threshold(own, foreign)})


def _fit_weights(texts: Sequence[str]) -> Relevance:
    frequency = Counter(stem for text in texts for stem in word_stems(text))

    def weight(count: int) -> float:
        return round(math.log((len(texts) + 1) / (count + 1)), 2)

    weights = {stem: weight(count) for stem, count in frequency.most_common(MAX_WEIGHTED_STEMS)}
    return Relevance(threshold=0, unseen_weight=weight(0), weights=weights)


def _best_threshold(own: Sequence[float], foreign: Sequence[float]) -> float:
    def mistakes(threshold: float) -> float:
        misses = sum(score < threshold for score in own) / len(own)
        false_alarms = sum(score >= threshold for score in foreign) / max(1, len(foreign))
        return MISS_COST * misses + false_alarms

    return min((step / 100 for step in range(1, 100)), key=mistakes)


def save_relevance(folder: Path, relevance: Relevance) -> None:
    """Write `relevance.json` into the folder of a hypernetwork."""
    with replaced_file(folder / RELEVANCE_NAME) as temporary:
        temporary.write_text(relevance.model_dump_json(indent=0) + "\n", encoding="utf-8")


def load_relevance(folder: Path) -> Relevance | None:
    """Read `relevance.json` from the folder of a hypernetwork.

    Returns:
        The relevance; None if there is no such file, in which case the hypernetwork's adapters are always on.

    Raises:
        HypernetworkError: if the file is damaged.
    """
    path = folder / RELEVANCE_NAME
    try:
        return Relevance.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValidationError, UnicodeDecodeError, OSError) as error:
        reason = first_problem(error) if isinstance(error, ValidationError) else error
        raise HypernetworkError(
            f"{path} is damaged ({reason}); fetch the hypernetwork again, or delete the file to "
            "have its adapters always on"
        ) from error
