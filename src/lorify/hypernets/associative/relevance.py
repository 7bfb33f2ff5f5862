"""Does a question concern the documents of an adapter? If not, the bare base answers it.

An adapter is linear in what it reads, so it cannot be silent on everything it does not know: a memory of a document
disturbs answers about anything else. A word test decides instead, before the adapter is applied: the share of the
question's words, weighted by how rare they are, that also occur in the documents. Words are compared by their stems
(Porter's English stemmer, which leaves most words of other languages as they are). Weights and threshold are fitted to
the data that the hypernetwork is meta-trained on; what an adapter keeps of a document is a set of hashes, so adding and
removing documents stays exact.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import snowballstemmer
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from lorify.atomic import replaced_file
from lorify.errors import HypernetworkError, first_problem

RELEVANCE_NAME = "relevance.json"
KEPT_STEMS = 8000
# A question about the document that goes to the bare base is worse than another one that meets the adapter.
MISS_COST = 3
# Scripts written without spaces: every character stands for itself.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


def find_words(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """The words of a text, in order, each with where it begins and ends."""
    for match in _WORD.finditer(text):
        yield match.group(), match.span()


def stem_words(words: Sequence[str]) -> list[str]:
    """The stem of each word."""
    stemmer = snowballstemmer.stemmer("english")  # made anew: it keeps state, so threads cannot share one
    return stemmer.stemWords([word.casefold() for word in words])


def word_stems(text: str) -> set[str]:
    """The stems of the different words of a text."""
    return set(stem_words(sorted({word.casefold() for word, _ in find_words(text)})))


def hash_words(text: str) -> Tensor:
    """Sorted 63-bit hashes of a text's words `[words]` (int64): what an adapter keeps of a document."""
    return torch.tensor(sorted(map(hash_stem, word_stems(text))), dtype=torch.int64)


def hash_stem(stem: str) -> int:
    """63-bit hash of a stem."""
    return int.from_bytes(hashlib.blake2b(stem.encode(), digest_size=8).digest(), "big") >> 1


class Relevance(BaseModel):
    """Fitted word weights and the threshold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float = Field(ge=0, le=1, description="Least share of a question's word weight that must be known.")
    unseen_weight: float = Field(ge=0, description="Weight of a word that is not in `weights`.")
    weights: dict[str, float] = Field(description="Word stem -> its weight, the log of how rare it is.")

    def score(self, question: str, words: Tensor) -> float:
        """Share of the question's word weight that is in the documents, from 0 to 1.

        Args:
            question: the question.
            words: hashes of the documents' words `[words]`, from `hash_words`.
        """
        known = set(words.tolist())
        stems = word_stems(question)
        total = sum(self._weight(stem) for stem in stems)
        shared = sum(self._weight(stem) for stem in stems if hash_stem(stem) in known)
        return shared / total if total else 0.0

    def is_relevant(self, question: str, words: Tensor) -> bool:
        """Whether the question concerns the documents."""
        return self.score(question, words) >= self.threshold

    def rarities(self, question: str) -> dict[int, float]:
        """Hash of each different word of a question -> its weight, the log of how rare it is."""
        return {hash_stem(stem): self._weight(stem) for stem in sorted(word_stems(question))}

    def _weight(self, stem: str) -> float:
        return self.weights.get(stem, self.unseen_weight)


def fit_relevance(pairs: Sequence[tuple[str, str]], unrelated: Sequence[str]) -> Relevance:
    """Fit word weights and the threshold.

    Args:
        pairs: questions, each with the text of its document.
        unrelated: questions that concern none of the documents.

    Returns:
        The threshold makes as few mistakes as possible, in shares of questions with their own document (which must
        pass; a miss counts thrice) and of unrelated questions and questions with another document (which must not).
    """
    texts = [*{document for _, document in pairs}, *(question for question, _ in pairs), *unrelated]
    frequency = Counter(stem for text in texts for stem in word_stems(text))

    def weight(count: int) -> float:
        return round(math.log((len(texts) + 1) / (count + 1)), 2)

    weights = {stem: weight(count) for stem, count in frequency.most_common(KEPT_STEMS)}
    unfitted = Relevance(threshold=0, unseen_weight=weight(0), weights=weights)
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


def _best_threshold(own: Sequence[float], foreign: Sequence[float]) -> float:
    def mistakes(threshold: float) -> float:
        missed = sum(score < threshold for score in own) / len(own)
        passed = sum(score >= threshold for score in foreign) / max(1, len(foreign))
        return MISS_COST * missed + passed

    return min((step / 100 for step in range(1, 100)), key=mistakes)


def save_relevance(folder: Path, relevance: Relevance) -> None:
    """Write it beside a hypernetwork."""
    with replaced_file(folder / RELEVANCE_NAME) as temporary:
        temporary.write_text(relevance.model_dump_json(indent=0) + "\n", encoding="utf-8")


def load_relevance(folder: Path) -> Relevance | None:
    """Read what lies beside a hypernetwork; None if nothing does, and its adapters are always on.

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
