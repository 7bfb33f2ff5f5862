"""Find the tokens of documents that answer a question.

Shape letters: J tokens of a question, w width of the reader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lorify.base.chat.follow_ups import earlier_questions
from lorify.base.model import BaseLM
from lorify.contexts.encoders.features import encode_chunks, group_by_length
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork
from lorify.hypernets.associative.questions.word_matches import match_features
from lorify.hypernets.associative.reader import AnswerLogits, Reader
from lorify.hypernets.evidence import AnswerSpan
from lorify.hypernets.relevance import Relevance

WINDOW_TOKENS = 256
MAX_WINDOWS = 32
"""The reader sees at most this many windows of `WINDOW_TOKENS` for a question, which bounds its time."""
MAX_SPAN_TOKENS = 24
"""Longest answer that is quoted as a span; answers in training have up to 60 characters."""
BATCH_TOKENS = 4096
"""Maximum number of tokens in a batch of documents, including padding."""


class EncodedDocument(NamedTuple):
    """A document in the reader's encoding.

    Attributes:
        tokens: the reader's encoding of each token `[tokens, w]`.
        words: the word that ends in each token, from `words_ending_at` `[tokens]`.
    """

    tokens: Tensor
    words: Tensor


@dataclass(frozen=True)
class ReaderQuery:
    """A question about documents, in the reader's encoding.

    Attributes:
        question: the reader's encoding of each token of the question `[J, w]`.
        rarities: rarity of the question's words, from `Relevance.rarities`.
        documents: the documents.
    """

    question: Tensor
    rarities: Mapping[int, float]
    documents: Sequence[EncodedDocument]


@dataclass
class TokenScores:
    """How likely each token of a document is part of the answer to a question.

    Attributes:
        belongs: probability that it belongs to the answer `[tokens]`.
        begins: logit of the answer's beginning `[tokens]`, minus infinity for tokens that were not read.
        ends: the same for its end; None if the reader does not find ends.
    """

    belongs: Tensor
    begins: Tensor
    ends: Tensor | None

    @classmethod
    def unread(cls, num_tokens: int, device: torch.device) -> TokenScores:
        """Scores for tokens that the reader has not seen."""
        nowhere = torch.full((num_tokens,), float("-inf"), device=device)
        return cls(torch.zeros(num_tokens, device=device), nowhere, nowhere.clone())

    def set_read(self, tokens: Tensor, logits: AnswerLogits, row: int) -> None:
        """Set the scores of some tokens `[t]` from one row of a batch."""
        self.belongs[tokens] = logits.belongs[row, : len(tokens)].float().sigmoid()
        self.begins[tokens] = logits.begins[row, : len(tokens)].float()
        if logits.ends is None or self.ends is None:
            self.ends = None
        else:
            self.ends[tokens] = logits.ends[row, : len(tokens)].float()

    def reduced(self, shares: Tensor) -> TokenScores:
        """Multiply the probabilities of belonging and beginning by a share of each token `[tokens]`."""
        return TokenScores(self.belongs * shares, self.begins + shares.log(), self.ends)


def find_spans(documents: Sequence[TokenScores], max_tokens: int = MAX_SPAN_TOKENS) -> list[AnswerSpan | None]:
    """Find the most likely answer in each document of a question.

    The probability of a span is the product of the probabilities of its beginning and end, each among all tokens of all
    documents.

    Args:
        documents: scores of each document.
        max_tokens: maximum length of a span.

    Returns:
        The span in each document; None if the reader does not find ends or has not read the document.
    """
    if not documents or any(document.ends is None for document in documents):
        return [None] * len(documents)
    ends = [document.ends for document in documents if document.ends is not None]
    all_begins = torch.cat([document.begins for document in documents]).logsumexp(0)
    all_ends = torch.cat(ends).logsumexp(0)
    return [
        _best_span(document.begins - all_begins, own - all_ends, max_tokens)
        for document, own in zip(documents, ends, strict=True)
    ]


def _best_span(begins: Tensor, ends: Tensor, max_tokens: int) -> AnswerSpan | None:
    """The best span by the log-probabilities of beginnings and ends `[tokens]`."""
    longest = min(max_tokens, len(begins))
    if not longest:
        return None
    padded = torch.cat([ends, ends.new_full((longest - 1,), float("-inf"))])
    # A span within `longest` tokens must not skip tokens that were not read.
    reachable = padded.unfold(0, longest, 1)  # [tokens, longest]
    unread = (reachable == float("-inf")).cumsum(1) > 0
    scores = (begins.unsqueeze(1) + reachable).masked_fill(unread, float("-inf"))
    best = int(scores.argmax())
    begin, length = divmod(best, longest)
    probability = scores[begin, length].exp().item()
    return AnswerSpan(begin, begin + length + 1, probability) if probability > 0 else None


@dataclass(frozen=True)
class AnswerFinder:
    """Runs the reader of a hypernetwork on questions.

    Attributes:
        base: the base, which encodes the questions.
        config: config of the hypernetwork.
        hypernetwork: a hypernetwork with a reader.
        relevance: rarity of words.
        bf16: whether the reader runs in bfloat16.
    """

    base: BaseLM
    config: AssociativeConfig
    hypernetwork: AssociativeHypernetwork
    relevance: Relevance
    bf16: bool

    @torch.no_grad()
    def find(self, questions: Sequence[str], documents: Sequence[Sequence[EncodedDocument]]) -> list[list[TokenScores]]:
        """Score how likely tokens of documents are part of the answer to a question.

        Args:
            questions: the questions.
            documents: the documents of each question.

        Returns:
            For each question, the scores of each of its documents.
        """
        assert self.hypernetwork.reader is not None
        queries = [
            ReaderQuery(encoded, self.relevance.rarities(question), own)
            for question, encoded, own in zip(questions, self._encode(questions), documents, strict=True)
        ]
        with self._autocast():
            return score_tokens(self.hypernetwork.reader, queries)

    def _encode(self, questions: Sequence[str]) -> list[Tensor]:
        """The reader's encoding of each question `[J, w]`; of a long question, only the end is read."""
        ids = [self.base.encode_text(question)[-self.config.chunk_tokens :] for question in questions]
        middle = self.config.layers[self.config.middle]
        features = encode_chunks(self.base, ids, layers=(middle,))
        with self._autocast():
            encoded = self.hypernetwork.encode_questions(features.states[0], features.outputs, features.is_token)
        return [row[known] for row, known in zip(encoded.float(), features.is_token, strict=True)]

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.base.device.type, dtype=torch.bfloat16, enabled=self.bf16)


def find_new_answers(
    finder: AnswerFinder, questions: Sequence[str], documents: Sequence[Sequence[EncodedDocument]]
) -> list[list[TokenScores]]:
    """Find answers like `AnswerFinder.find`, but for follow-ups exclude the answers given before.

    A follow-up is read with the questions before it, and their answers often match best, as in `Who built it? And
    when?`. Those have been given already, so the probability of each token is multiplied by that of not belonging to
    them.

    Args:
        finder: finds answers.
        questions: the questions; a follow-up comes after the previous ones, one per line.
        documents: the documents of each question.
    """
    earlier = [(number, text) for number, question in enumerate(questions) for text in earlier_questions(question)]
    found = finder.find(
        [*questions, *(text for _, text in earlier)], [*documents, *(documents[number] for number, _ in earlier)]
    )
    new, before = found[: len(questions)], found[len(questions) :]
    given: dict[int, list[Tensor]] = {}  # probability of belonging to no earlier answer
    for (number, _), answer in zip(earlier, before, strict=True):
        known = given.get(number, [torch.ones_like(document.belongs) for document in answer])
        given[number] = [rest * (1 - rest * document.belongs) for rest, document in zip(known, answer, strict=True)]
    for number, rest in given.items():
        new[number] = [document.reduced(left) for document, left in zip(new[number], rest, strict=True)]
    return new


def score_tokens(
    reader: Reader,
    queries: Sequence[ReaderQuery],
    *,
    window_tokens: int = WINDOW_TOKENS,
    max_windows: int = MAX_WINDOWS,
) -> list[list[TokenScores]]:
    """Score how likely tokens of documents are part of the answer to a question.

    Args:
        reader: the reader; it reads documents of similar length in one batch, even for different questions.
        queries: the questions with their documents.
        window_tokens: long documents are read in windows of this size.
        max_windows: the reader sees at most this many windows per question; other tokens do not belong to its answer.

    Returns:
        For each question, the scores of each of its documents.
    """
    scores = [[TokenScores.unread(len(d.tokens), q.question.device) for d in q.documents] for q in queries]
    readings = [r for i, q in enumerate(queries) for r in _plan_readings(i, q, window_tokens, max_windows)]
    for indices in group_by_length([len(reading.tokens) for reading in readings], BATCH_TOKENS):
        batch = [readings[i] for i in indices]
        logits = _read_batch(reader, queries, batch)
        for row, reading in enumerate(batch):
            scores[reading.query][reading.document].set_read(reading.tokens, logits, row)
    return scores


class _Reading(NamedTuple):
    """Tokens `[t]` of a document that the reader sees for a question, and their match features `[t, features]`."""

    query: int
    document: int
    tokens: Tensor
    matches: Tensor


def _plan_readings(number: int, query: ReaderQuery, window_tokens: int, max_windows: int) -> list[_Reading]:
    matches = [match_features(query.rarities, document.words) for document in query.documents]
    windows = _choose_windows(matches, window_tokens, max_windows)
    return [_Reading(number, d, tokens, matches[d][tokens]) for d, tokens in enumerate(windows) if len(tokens)]


def _read_batch(reader: Reader, queries: Sequence[ReaderQuery], batch: Sequence[_Reading]) -> AnswerLogits:
    """Logits `[readings, longest]`."""
    documents = [queries[r.query].documents[r.document].tokens[r.tokens].float() for r in batch]
    questions = [queries[r.query].question for r in batch]
    padded = pad_sequence(documents, batch_first=True)
    return reader(
        padded,
        _length_mask([len(document) for document in documents]).to(padded.device),
        pad_sequence(questions, batch_first=True),
        _length_mask([len(question) for question in questions]).to(padded.device),
        pad_sequence([r.matches for r in batch], batch_first=True).to(padded.device),
    )


def _length_mask(lengths: Sequence[int]) -> Tensor:
    """True for the tokens of padded rows, False for padding `[N, longest]`."""
    return torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)


def _choose_windows(matches: Sequence[Tensor], window_tokens: int, max_windows: int) -> list[Tensor]:
    """The tokens of each document that the reader sees: if there are too many, the best-matching windows."""
    windows = [
        (index, span)
        for index, document in enumerate(matches)
        for span in torch.arange(len(document)).split(window_tokens)
        if len(span)
    ]
    if len(windows) > max_windows:
        # The maximum for each feature, so that a frequent word does not outweigh the others.
        scores = torch.stack([matches[index][span].amax(0).sum() for index, span in windows])
        windows = [windows[i] for i in scores.topk(max_windows).indices.sort().values.tolist()]
    nothing = torch.zeros(0, dtype=torch.int64)
    return [torch.cat([nothing, *(span for i, span in windows if i == index)]) for index in range(len(matches))]
