"""Sources of an answer: the document and sentence that the answer was taken from.

The reader gives the probability that each token of the documents belongs to the answer. Sentences that contain the
answer come first; among several, the one with the most probable token is the source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from lorify.base.token_texts import Decode, token_texts
from lorify.contexts.texts.chunking import split_into_sentences
from lorify.data.answers import YES_OR_NO, contains_answer, normalize_answer
from lorify.hypernets.evidence import TokenEvidence

VERDICTS = frozenset({*YES_OR_NO, ""})
"""Normalized answers that a sentence can support without containing them."""


@dataclass(frozen=True)
class Source:
    """The place in a document that an answer was taken from.

    Attributes:
        document: name of the document.
        sentence: the sentence, heading or table row.
        passage: the sentence with its neighbours.
        probability: the reader's probability that the answer is in the sentence, from 0 to 1.
    """

    document: str
    sentence: str
    passage: str
    probability: float

    def as_dict(self) -> dict[str, object]:
        """Convert to JSON values."""
        return {
            "document": self.document,
            "sentence": self.sentence,
            "passage": self.passage,
            "probability": round(self.probability, 3),
        }


def find_source(evidence: Sequence[TokenEvidence], answer: str, decode: Decode, sentence: str = "") -> Source | None:
    """Find the place that an answer was taken from.

    Args:
        evidence: the documents that were asked.
        answer: the answer.
        decode: token ids -> text.
        sentence: the sentence that the answer is from; empty if unknown.

    Returns:
        The source; None if there is no document with cached tokens.
    """
    sources = [source for document in evidence for source in sentences_of(document, decode)]
    lines = [" ".join(s.sentence.split()) for s in sources] if sentence else []
    known = [s for s, line in zip(sources, lines, strict=False) if sentence in line]
    known = known or [s for s, line in zip(sources, lines, strict=False) if line in sentence]
    # A document may contain the question that it answers.
    stating = known or [s for s in sources if not is_question(s.sentence)] or sources
    containing = [s for s in stating if contains_answer(s.sentence, [answer])] if can_be_quoted(answer) else []
    return max(containing or stating, key=lambda source: source.probability, default=None)


def is_question(sentence: str) -> bool:
    """Return whether a sentence of a document asks something, as in a list of questions and answers."""
    return sentence.rstrip("*_ ").endswith("?")


def can_be_quoted(answer: str) -> bool:
    """Return whether a sentence that supports an answer must contain it, unlike yes or no."""
    return normalize_answer(answer) not in VERDICTS


def sentences_of(document: TokenEvidence, decode: Decode) -> Iterator[Source]:
    """Yield each sentence of a document as a source, in order."""
    pieces = list(token_texts(document.ids, decode))
    # A token that is part of a character is placed where the character begins.
    starts = list(accumulate(map(len, pieces), initial=0))[:-1]
    sentences = list(split_into_sentences("".join(pieces)))
    ends = list(accumulate(map(len, sentences)))
    best = [0.0] * len(sentences)
    number = 0
    for start, piece, probability in zip(starts, pieces, document.probabilities.tolist(), strict=True):
        # White space before a sentence is part of its first token.
        while number < len(sentences) - 1 and start + len(piece) > ends[number]:
            number += 1
        if sentences:
            best[number] = max(best[number], probability)
    for i, sentence in enumerate(sentences):
        passage = "".join(sentences[max(0, i - 1) : i + 2]).strip()
        yield Source(document.document, sentence.strip(), passage, best[i])
