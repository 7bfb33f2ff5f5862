"""Where the documents of an adapter answer a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lorify.adapters import DocumentRecord
from lorify.base.model import BaseLM
from lorify.hypernets.associative.document_memory import DocumentMemory
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork
from lorify.hypernets.associative.questions.answer_finder import (
    AnswerFinder,
    EncodedDocument,
    TokenScores,
    find_new_answers,
    find_spans,
)
from lorify.hypernets.associative.questions.focus import earlier_answers, largest_probabilities
from lorify.hypernets.associative.questions.table_keys import row_shares
from lorify.hypernets.associative.token_cache import CachedTokens
from lorify.hypernets.evidence import AnswerSpan, TokenEvidence
from lorify.hypernets.relevance import Relevance

MIN_ANSWER_PROBABILITY = 0.6
"""A question without word overlap is relevant if some token belongs to its answer with a higher probability."""


@dataclass(frozen=True)
class LocatedAnswer:
    """The documents of an adapter, and where they answer a question.

    Attributes:
        documents: the documents.
        scores: scores of the tokens of each document with cached tokens.
        overlaps: share of the question's word weight in each document with cached tokens.
    """

    documents: Sequence[DocumentMemory]
    scores: Sequence[TokenScores]
    overlaps: Sequence[float]

    @property
    def probabilities(self) -> list[Tensor]:
        """Probability that each token belongs to the answer, `[tokens]` for each document with cached tokens."""
        return [document.belongs for document in self.scores]

    @property
    def is_certain(self) -> bool:
        """Whether a token belongs to the answer with a high probability."""
        return max(largest_probabilities(self.probabilities)) > MIN_ANSWER_PROBABILITY

    @property
    def knows_all_tokens(self) -> bool:
        """Whether the tokens of all documents are cached."""
        return all(document.tokens is not None for document in self.documents)

    def evidence(self, records: Sequence[DocumentRecord]) -> list[TokenEvidence]:
        """Return where the documents with cached tokens answer the question.

        Args:
            records: records of all documents.
        """
        documents = zip(records, self.documents, strict=True)
        cached = [(record.name, memory.tokens) for record, memory in documents if memory.tokens is not None]
        found = zip(cached, self.scores, self.overlaps, self._spans(), strict=True)
        return [
            TokenEvidence(
                name,
                tokens.ids.tolist(),
                tokens.per_token(scores.belongs.cpu()),
                overlap,
                None if span is None else _followed_by(tokens, span),
            )
            for (name, tokens), scores, overlap, span in found
        ]

    def _spans(self) -> list[AnswerSpan | None]:
        """The most likely answer in each document; None before the latest document that answers the question."""
        earlier = earlier_answers(self.probabilities, self.overlaps)
        kept = [i for i in range(len(self.scores)) if i not in earlier]
        found = dict(zip(kept, find_spans([self.scores[i] for i in kept]), strict=True))
        return [found.get(i) for i in range(len(self.scores))]


def _followed_by(tokens: CachedTokens, span: AnswerSpan) -> AnswerSpan:
    """Convert a span of memory tokens to the span of text tokens that they stand for."""
    begin, last = tokens.followed_by(span.begin), tokens.followed_by(span.end - 1)
    return AnswerSpan(begin, last + 1, span.probability)


@dataclass(frozen=True)
class AnswerLocator:
    """Locates the answers of questions in documents with cached tokens.

    Attributes:
        base: the base model.
        config: config of the hypernetwork.
        hypernetwork: a hypernetwork with a reader.
        relevance: word weights.
    """

    base: BaseLM
    config: AssociativeConfig
    hypernetwork: AssociativeHypernetwork
    relevance: Relevance

    def find(self, asked: Mapping[int, tuple[str, Sequence[DocumentMemory]]]) -> dict[int, LocatedAnswer]:
        """Locate answers; the reader runs once for all questions.

        Args:
            asked: each question with the documents to search.

        Returns:
            The answers by the keys of `asked`, for questions with at least one document with cached tokens.
        """
        cached = {i: [d for d in documents if d.tokens is not None] for i, (_, documents) in asked.items()}
        chosen = [i for i, own in cached.items() if own]
        if not chosen:
            return {}
        encoded = [
            [EncodedDocument(d.tokens.document, d.tokens.words) for d in cached[i] if d.tokens is not None]
            for i in chosen
        ]
        bf16 = self.base.dtype == torch.bfloat16
        finder = AnswerFinder(self.base, self.config, self.hypernetwork, self.relevance, bf16)
        found = find_new_answers(finder, [asked[i][0] for i in chosen], encoded)
        answers: dict[int, LocatedAnswer] = {}
        for i, scores in zip(chosen, found, strict=True):
            question, documents = asked[i]
            reduced = [
                self._without_other_rows(question, document.tokens, each)
                for document, each in zip(cached[i], scores, strict=True)
                if document.tokens is not None
            ]
            overlaps = [self.relevance.score(question, document.words) for document in cached[i]]
            answers[i] = LocatedAnswer(documents, reduced, overlaps)
        return answers

    def _without_other_rows(self, question: str, tokens: CachedTokens, scores: TokenScores) -> TokenScores:
        """The scores of a document with those of unrelated table rows set to 0."""
        shares = row_shares(question, tokens.ids.tolist(), self.base.decode_text)
        if shares is None:
            return scores
        return scores.reduced(tokens.per_memory_token(shares).to(scores.belongs.device))
