"""Training of a reader on documents in which the positions of answers are known; hypernetwork and base are frozen.

Shape letters: J tokens of a question, T tokens of a context, w width of the reader.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lorify.base.model import BaseLM
from lorify.errors import TrainingError
from lorify.hypernets.associative.kind import ASSOCIATIVE, save_associative
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork, check_base
from lorify.hypernets.associative.questions.word_matches import match_features
from lorify.hypernets.associative.reader import NUM_MATCH_FEATURES, AnswerLogits, Reader
from lorify.hypernets.associative.reader_training_config import ReaderTrainingConfig
from lorify.hypernets.relevance import Relevance, load_relevance
from lorify.training.associative.kind_metrics import KindTotals, metrics_by_kind, total_exact
from lorify.training.engine.objective import BatchLoss
from lorify.training.engine.state_cache import StateCache
from lorify.training.passages import prepare_passages
from lorify.training.preparation import Preparation
from lorify.training.reader.batches import ContextSampler, Draw
from lorify.training.reader.contexts import ContextLoader, EncodedContext, EncodedQuestion
from lorify.training.reader.losses import SpanTargets, answer_span_loss

STATES_NAME = "states.sqlite"
UNANSWERABLE = "unanswerable"
"""Kind of all questions without an answer, whatever their context."""


def prepare_reader(config: ReaderTrainingConfig, preparation: Preparation) -> ReaderObjective:
    """Read the data and the hypernetwork, and build the objective.

    Raises:
        LorifyError: if one of them or the base cannot be read.
    """
    passages, heldout_passages = prepare_passages(config.data)
    assert config.init_from is not None  # the config is checked
    relevance = load_relevance(config.init_from)
    if relevance is None:
        raise TrainingError(
            f"init_from {config.init_from} has no relevance.json, whose word weights a reader needs; train it again"
        )
    hypernetwork_config, hypernetwork = ASSOCIATIVE.load(config.init_from)
    base = preparation.load_base(config.base)
    check_base(hypernetwork_config, base, str(config.init_from))
    middle = hypernetwork_config.layers[hypernetwork_config.middle]
    states = StateCache(preparation.run_dir / STATES_NAME, f"{base.digest} block {middle}")
    sampler = ContextSampler(config, passages, heldout_passages)
    return ReaderObjective(config, base, hypernetwork_config, hypernetwork, relevance, states, sampler)


class _Pair(NamedTuple):
    """A question from one context, and the context that it is asked about."""

    question: int
    context: int
    is_own: bool


class _Scores(NamedTuple):
    """Loss of each question, whether its answer is found, its kind, and the number of tokens read."""

    loss: Tensor
    exact: Tensor
    kinds: list[str]
    num_tokens: int


class ReaderObjective:
    """Questions about contexts, for which the reader locates the answers."""

    def __init__(
        self,
        config: ReaderTrainingConfig,
        base: BaseLM,
        hypernetwork_config: AssociativeConfig,
        hypernetwork: AssociativeHypernetwork,
        relevance: Relevance,
        states: StateCache,
        sampler: ContextSampler,
    ) -> None:
        """Start from the hypernetwork's reader if it has the config's width, else from a new one.

        Args:
            config: config of the run.
            base: the frozen base.
            hypernetwork_config: config of the hypernetwork.
            hypernetwork: a frozen hypernetwork, which gets the reader.
            relevance: rarity of words.
            states: keeps the base's states of texts on disk.
            sampler: draws the contexts.
        """
        self.config, self.base, self.relevance, self.sampler = config, base, relevance, sampler
        self.hypernetwork_config = hypernetwork_config.model_copy(
            update={"reader_width": config.width, "reader_finds_ends": True}
        )
        torch.manual_seed(config.seed)
        reader = Reader(hidden_size=hypernetwork_config.hidden_size, width=config.width, dropout=config.dropout)
        if hypernetwork.reader is not None and hypernetwork_config.reader_width == config.width:
            reader.load_state_dict(hypernetwork.reader.state_dict(), strict=hypernetwork_config.reader_finds_ends)
        hypernetwork.reader = reader
        self.reader, self.hypernetwork = reader.to(base.device), hypernetwork.to(base.device)
        passages = {
            "questions": sampler.passages,
            "heldout questions": sampler.heldout,
            "deleted": sampler.deleted,
            "heldout deleted": sampler.heldout_deleted,
        }
        self.contexts = ContextLoader(config, base, self.hypernetwork_config, relevance, states, passages)

    @property
    def module(self) -> Reader:
        """The reader."""
        return self.reader

    def loss(self, batch: int) -> BatchLoss:
        """Compute the loss of training batch `batch`, with loss and exact match by kind."""
        rng = random.Random(f"{self.config.seed}/reader/{batch}")
        generated = self.sampler.draw_generated(rng)
        numbers = self.sampler.passages_of_batch(batch)
        passages = [("questions", number) for number in numbers]
        passages += [("deleted", number) for number in numbers if number in self.sampler.deleted]
        self.reader.train()
        # Two groups, since passages are much shorter.
        scores = [s for draws in (generated, passages) if (s := self._score(draws, rng)) is not None]
        if not scores:
            return BatchLoss(torch.stack([p.sum() for p in self.reader.parameters()]).sum() * 0, {}, 0)
        loss, exact = torch.cat([s.loss for s in scores]), torch.cat([s.exact for s in scores])
        kinds = [kind for s in scores for kind in s.kinds]
        return BatchLoss(loss.mean(), metrics_by_kind(kinds, loss, exact), sum(s.num_tokens for s in scores))

    def evaluate(self) -> dict[str, float]:
        """Compute loss and share of answers found by kind, on held-out contexts."""
        totals = KindTotals()
        self.reader.eval()
        for draws in self.sampler.heldout_batches():
            scores = self._score(draws, None)
            if scores is not None:
                totals.add_questions(scores.kinds, scores.loss, scores.exact)
        return totals.means()

    def score(self, heldout: Mapping[str, float]) -> float:
        """Sum the share of answers found over the kinds."""
        return total_exact(heldout)

    def save_best(self, folder: Path) -> None:
        """Write the hypernetwork with its reader and its relevance."""
        save_associative(folder, self.hypernetwork_config, self.hypernetwork, relevance=self.relevance)

    def _score(self, draws: Sequence[Draw], rng: random.Random | None) -> _Scores | None:
        """Scores of the questions of some contexts; None if no context contains an answer.

        Args:
            draws: the contexts.
            rng: draws questions, and other contexts to also ask them about; None: all questions, only about their own
                context.
        """
        contexts = [self.contexts.load(kind, number) for kind, number in draws]
        asked = self._draw_questions(contexts, rng)
        if not asked:
            return None
        pairs = self._draw_pairs(asked, len(contexts), rng)
        questions = [question for _, question in asked]
        logits, mask, num_tokens = self._read(contexts, questions, pairs)
        targets = SpanTargets(*(target.to(mask.device) for target in _targets(pairs, questions, mask.shape[1])))
        number = torch.tensor([pair.question for pair in pairs], device=mask.device)
        loss, exact = answer_span_loss(
            logits, mask, number, targets, len(asked), belongs_weight=self.config.belongs_weight
        )
        kinds = [
            draws[index][0].removeprefix("heldout ") if question.begins else UNANSWERABLE for index, question in asked
        ]
        return _Scores(loss, exact, kinds, num_tokens)

    def _draw_questions(
        self, contexts: Sequence[EncodedContext], rng: random.Random | None
    ) -> list[tuple[int, EncodedQuestion]]:
        """Questions, each with the index of its context."""
        asked: list[tuple[int, EncodedQuestion]] = []
        for index, context in enumerate(contexts):
            most = min(len(context.questions), self.config.data.questions_per_context)
            questions = context.questions if rng is None else rng.sample(context.questions, most)
            asked += [(index, question) for question in (*questions, *context.unanswerable)]
        return asked

    def _draw_pairs(
        self, asked: Sequence[tuple[int, EncodedQuestion]], num_contexts: int, rng: random.Random | None
    ) -> list[_Pair]:
        """Each question with its own context, and some also with another one.

        Unanswerable questions are excluded from the latter: another context may answer them.
        """
        pairs = [_Pair(number, context, is_own=True) for number, (context, _) in enumerate(asked)]
        if rng is not None and num_contexts > 1:
            for question, context in ((i, context) for i, (context, own) in enumerate(asked) if own.begins):
                if rng.random() < self.config.data.negative_probability:
                    other = rng.choice([i for i in range(num_contexts) if i != context])
                    pairs.append(_Pair(question, other, is_own=False))
        return pairs

    def _read(
        self, contexts: Sequence[EncodedContext], questions: Sequence[EncodedQuestion], pairs: Sequence[_Pair]
    ) -> tuple[AnswerLogits, Tensor, int]:
        """Logits of pairs, their mask `[pairs, T]`, and the number of tokens read."""
        device = self.base.device
        question = torch.tensor([pair.question for pair in pairs], device=device)
        context = torch.tensor([pair.context for pair in pairs], device=device)
        with torch.autocast(
            device.type, dtype=torch.bfloat16, enabled=self.config.optimization.computes_in_bf16(device)
        ):
            documents = self._encode_documents(contexts)
            asked = self._encode_questions(questions)
            mask, question_mask = _mask(documents).to(device), _mask(asked).to(device)
            matches = torch.zeros(len(pairs), mask.shape[1], NUM_MATCH_FEATURES)
            for row, pair in enumerate(pairs):
                words = contexts[pair.context].words
                matches[row, : len(words)] = match_features(questions[pair.question].rarities, words)
            logits = self.reader(
                _pad(documents).index_select(0, context),  # indexing would sum its gradient in an arbitrary order
                mask[context],
                _pad(asked).index_select(0, question),
                question_mask[question],
                matches.to(device),
            )
        return logits, mask[context], sum(len(documents[pair.context]) for pair in pairs)

    def _encode_documents(self, contexts: Sequence[EncodedContext]) -> list[Tensor]:
        """The reader's encoding of each context's tokens `[T, w]`; chunks are encoded one by one."""
        ids = [chunk for context in contexts for chunk in context.ids]
        states = _pad([chunk for context in contexts for chunk in context.states]).to(self.base.device)
        outputs = self.base.output_embeddings(_pad(ids).to(self.base.device))
        is_token = _mask(ids).to(self.base.device)
        encoded = iter(self.hypernetwork.encode_documents(states.float(), outputs.float(), is_token))
        return [torch.cat([next(encoded)[: len(chunk) - 1] for chunk in context.ids]) for context in contexts]

    def _encode_questions(self, questions: Sequence[EncodedQuestion]) -> list[Tensor]:
        """The reader's encoding of each question's tokens `[J, w]`."""
        states = _pad([question.states for question in questions]).to(self.base.device)
        outputs = self.base.output_embeddings(_pad([q.ids for q in questions]).to(self.base.device))
        is_token = _mask([question.ids for question in questions]).to(self.base.device)
        encoded = self.hypernetwork.encode_questions(states.float(), outputs.float(), is_token)
        return [row[: len(question.ids)] for row, question in zip(encoded, questions, strict=True)]


def _targets(pairs: Sequence[_Pair], questions: Sequence[EncodedQuestion], num_tokens: int) -> SpanTargets:
    """Positions of the answers; the answer of a question does not occur in other contexts."""
    begins = torch.zeros(len(pairs), num_tokens, dtype=torch.bool)
    ends = torch.zeros_like(begins)
    occurrence = torch.full((len(pairs), num_tokens), -1)
    for row, pair in enumerate(pairs):
        question = questions[pair.question]
        for begin in question.begins if pair.is_own else ():
            begins[row, begin] = True
            ends[row, begin + question.answer_tokens - 1] = True
            occurrence[row, begin : begin + question.answer_tokens] = begin
    return SpanTargets(begins, ends, occurrence)


def _pad(rows: Sequence[Tensor]) -> Tensor:
    """Stack rows `[tokens, ...]` of different lengths, padded with zeros."""
    return pad_sequence(list(rows), batch_first=True)


def _mask(rows: Sequence[Tensor]) -> Tensor:
    """True for the tokens of padded rows `[rows, longest]`."""
    return _pad([torch.ones(len(row), dtype=torch.bool) for row in rows])
