"""Contexts of reader training: draw them, and keep the frozen base's states of each.

Shape letters: J tokens of a question, T tokens of a chunk, d hidden size.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from lorify.base.model import BaseLM
from lorify.contexts.encoders.features import encode_chunks, with_start_token
from lorify.contexts.texts.chunking import split_into_chunks
from lorify.data.examples import Example
from lorify.data.facts.generate import generate_fact_example
from lorify.data.facts.single_entity import generate_single_entity_example
from lorify.data.sources.niah import generate_niah_example
from lorify.hypernets.associative.network import AssociativeConfig
from lorify.hypernets.associative.questions.word_matches import words_ending_at
from lorify.hypernets.associative.reader_training_config import ReaderTrainingConfig
from lorify.hypernets.relevance import Relevance
from lorify.training.associative.batches import find_answer_positions
from lorify.training.engine.state_cache import StateCache

MAX_CONTEXTS = 20_000
"""Encoded contexts kept in memory."""


@dataclass(frozen=True)
class EncodedQuestion:
    """A question about a context.

    Attributes:
        ids: its tokens `[J]`.
        states: the base's states at the middle block `[J, d]`, bfloat16.
        rarities: rarity of its words.
        begins: tokens of the context's memory after which the answer begins; none if it is unanswerable.
        answer_tokens: length of the answer, in tokens; 0 if it is unanswerable.
    """

    ids: Tensor
    states: Tensor
    rarities: Mapping[int, float]
    begins: Sequence[int]
    answer_tokens: int


@dataclass(frozen=True)
class EncodedContext:
    """A context with its questions.

    Attributes:
        ids: tokens of each chunk `[T]`.
        states: the base's states of each chunk at the middle block `[T, d]`, bfloat16.
        words: the word that ends in each token of the memory.
        questions: the questions whose answers occur in the context.
        unanswerable: the questions that it does not answer.
    """

    ids: Sequence[Tensor]
    states: Sequence[Tensor]
    words: Tensor
    questions: Sequence[EncodedQuestion]
    unanswerable: Sequence[EncodedQuestion]


class ContextLoader:
    """Draws contexts by kind and number, and encodes them with the base."""

    def __init__(
        self,
        config: ReaderTrainingConfig,
        base: BaseLM,
        hypernetwork_config: AssociativeConfig,
        relevance: Relevance,
        states: StateCache,
        passages: Mapping[str, Sequence[Example] | Mapping[int, Example]],
    ) -> None:
        """Set the sources of contexts.

        Args:
            config: config of the run.
            base: the frozen base.
            hypernetwork_config: config of the frozen hypernetwork.
            relevance: rarity of words.
            states: keeps the base's states of texts on disk.
            passages: passages of the kinds that are not generated.
        """
        self.config, self.base, self.hypernetwork_config = config, base, hypernetwork_config
        self.relevance, self.passages = relevance, passages
        self._states = states
        self.load = lru_cache(maxsize=MAX_CONTEXTS)(self.encode)

    @torch.no_grad()
    def encode(self, kind: str, number: int) -> EncodedContext:
        """Draw and encode a context; `load` does the same and caches the result.

        Args:
            kind: `facts`, `portraits`, `niah`, a kind of `passages`, or `heldout` and one of the first two.
            number: number of the context within its kind.
        """
        example = self._draw(kind, number)
        tokenizer, chunk_tokens = self.base.tokenizer, self.hypernetwork_config.chunk_tokens
        chunks = [c for text in example.documents for c in split_into_chunks(text, tokenizer, chunk_tokens)]
        ids, states = self._encode_texts(chunks)
        words = [words_ending_at(chunk[:-1].tolist(), tokenizer) for chunk in ids]
        questions = self._encode_questions(example, chunks, ids)
        answerable, unanswerable = ([q for q in questions if bool(q.begins) == wanted] for wanted in (True, False))
        return EncodedContext(ids, states, torch.cat(words), answerable, unanswerable)

    def _encode_questions(
        self, example: Example, chunks: Sequence[Sequence[int]], ids: Sequence[Tensor]
    ) -> list[EncodedQuestion]:
        """The questions whose answers occur in `chunks`, and those without an answer.

        `ids` are the chunks with their beginning-of-text token.
        """
        # In the memory, the token before token i of a chunk has index i if texts begin with a start token, else i - 1.
        first, shift = [0], len(ids[0]) - 1 - len(chunks[0])
        for chunk in ids:
            first.append(first[-1] + len(chunk) - 1)
        texts: list[str] = []
        spans: list[tuple[list[int], int]] = []
        for question in example.questions:
            answer = self.base.encode_text(f" {question.answers[0]}")
            if positions := find_answer_positions(answer, dict(enumerate(chunks))):
                texts.append(question.text)
                spans.append(([first[chunk] + shift + index for chunk, index in positions[0]], len(answer)))
        texts += example.unanswerable
        spans += [([], 0)] * len(example.unanswerable)
        question_ids, question_states = self._encode_texts([self.base.encode_text(text) for text in texts])
        return [
            EncodedQuestion(own_ids, own_states, self.relevance.rarities(text), begins, answer_tokens)
            for text, (begins, answer_tokens), own_ids, own_states in zip(
                texts, spans, question_ids, question_states, strict=True
            )
        ]

    def _encode_texts(self, texts: Sequence[Sequence[int]]) -> tuple[list[Tensor], list[Tensor]]:
        """Tokens `[T]` and the base's states at the middle block `[T, d]` of each text, encoded alone."""
        ids = [torch.tensor(row) for row in with_start_token(self.base, texts)]
        return ids, self._states.states(texts, self._compute_states)

    def _compute_states(self, texts: Sequence[Sequence[int]]) -> list[Tensor]:
        middle = self.hypernetwork_config.layers[self.hypernetwork_config.middle]
        features = encode_chunks(self.base, texts, layers=(middle,))
        return [states[mask] for states, mask in zip(features.states[0], features.is_token, strict=True)]

    def _draw(self, kind: str, number: int) -> Example:
        if kind in self.passages:
            return self.passages[kind][number]
        rng = random.Random(f"{self.config.seed}/{kind}/{number}")
        data = self.config.data
        if kind == "niah":
            length = rng.randint(data.niah_min_tokens, data.niah_max_tokens)
            return generate_niah_example(
                rng, length_tokens=length, count_tokens=lambda text: len(self.base.encode_text(text))
            )
        split = "heldout" if kind.startswith("heldout ") else "train"
        num_questions, num_unanswerable = 2 * data.questions_per_context, data.unanswerable_questions
        if kind.endswith("portraits"):
            return generate_single_entity_example(
                rng, split=split, num_questions=num_questions, num_unanswerable=num_unanswerable
            )
        return generate_fact_example(
            rng,
            split=split,
            num_documents=rng.choice((1, 1, 1, 2)),
            num_questions=num_questions,
            num_unanswerable=num_unanswerable,
        )
