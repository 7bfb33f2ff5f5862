"""Training of a reader: the hypernetwork and the base are frozen, and the answers' places in documents are known."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lorify.base.model import BaseLM
from lorify.contexts.chunking import split_into_chunks
from lorify.contexts.features import encode_chunks, with_start
from lorify.data.examples import Example
from lorify.data.facts.generate import generate_fact_example
from lorify.data.facts.single_entity import generate_single_entity_example
from lorify.data.sources.niah import generate_niah_example
from lorify.errors import TrainingError
from lorify.hypernets.associative.focus import ending_words, word_matches
from lorify.hypernets.associative.internalizer import check_base
from lorify.hypernets.associative.kind import ASSOCIATIVE, save_associative
from lorify.hypernets.associative.network import AssociativeConfig, AssociativeHypernetwork
from lorify.hypernets.associative.reader import NUM_MATCHES, Reader, place_loss
from lorify.hypernets.associative.reader_training_config import ReaderTrainingConfig
from lorify.hypernets.associative.relevance import Relevance, load_relevance
from lorify.training.associative.batches import find_places
from lorify.training.engine.loop import BatchLoss
from lorify.training.engine.state_cache import RememberedStates
from lorify.training.prepare import Preparation, prepare_passages

HELDOUT_GENERATED, HELDOUT_PASSAGES = 60, 300
"""Of each kind of generated document, and of natural passages."""
REMEMBERED_CONTEXTS = 20_000
STATES_NAME = "states.sqlite"
POOLED_STEPS = 16
"""Passages of so many steps are sorted by length before they are shared out, so that little of a step is padding."""


def prepare_reader(config: ReaderTrainingConfig, preparation: Preparation) -> ReaderObjective:
    """Read the data and the hypernetwork.

    Raises:
        LorifyError: if one of them or the base cannot be read.
    """
    passages, heldout_passages = prepare_passages(config.data)
    assert config.init_from is not None  # the config is checked
    relevance = load_relevance(config.init_from)
    if relevance is None:
        raise TrainingError(f"init_from {config.init_from} has no relevance.json, whose word weights a reader needs")
    shape, hypernetwork = ASSOCIATIVE.load(config.init_from)
    base = preparation.load_base(config.base)
    check_base(shape, base, str(config.init_from))
    middle = shape.layers[shape.middle]
    states = RememberedStates(preparation.run_dir / STATES_NAME, f"{base.digest} block {middle}")
    return ReaderObjective(config, base, shape, hypernetwork, relevance, states, passages, heldout_passages)


@dataclass(frozen=True)
class _Asked:
    """A question about a context.

    Attributes:
        ids: its tokens.
        states: the base's, at the middle block `[J, d]`, float16.
        rarities: of its words.
        begins: tokens of the context's memory after which the answer begins.
        length: tokens of the answer.
    """

    ids: Tensor
    states: Tensor
    rarities: Mapping[int, float]
    begins: Sequence[int]
    length: int


@dataclass(frozen=True)
class _Read:
    """What the base makes of a context.

    Attributes:
        ids: tokens of each chunk.
        states: the base's states of each chunk at the middle block `[T, d]`, float16.
        words: the words that end in the tokens of the memory.
        questions: those whose answers stand in the context.
    """

    ids: Sequence[Tensor]
    states: Sequence[Tensor]
    words: Tensor
    questions: Sequence[_Asked]


class ReaderObjective:
    """Questions about contexts, for which the reader finds the answers' places."""

    def __init__(
        self,
        config: ReaderTrainingConfig,
        base: BaseLM,
        shape: AssociativeConfig,
        hypernetwork: AssociativeHypernetwork,
        relevance: Relevance,
        states: RememberedStates,
        passages: Sequence[Example],
        heldout_passages: Sequence[Example],
    ) -> None:
        """Of the hypernetwork nothing is trained but its reader, a new one unless it has one of the width wanted."""
        self.config, self.base, self.relevance, self._remembered = config, base, relevance, states
        self.shape = shape.model_copy(update={"reader_width": config.width})
        torch.manual_seed(config.seed)
        reader = Reader(hidden_size=shape.hidden_size, width=config.width, dropout=config.dropout)
        if hypernetwork.reader is not None and shape.reader_width == config.width:
            reader.load_state_dict(hypernetwork.reader.state_dict())
        hypernetwork.reader = reader
        self.reader, self.hypernetwork = reader.to(base.device), hypernetwork.to(base.device)
        drawn = random.Random(f"{config.seed}/passages")
        passages, heldout_passages = ([p for p in some if _quotes_answer(p)] for some in (passages, heldout_passages))
        self._passages = drawn.sample(passages, min(len(passages), config.data.max_passages))
        self._heldout = drawn.sample(heldout_passages, min(len(heldout_passages), HELDOUT_PASSAGES))
        self._heldout.sort(key=_length)
        self._read = lru_cache(maxsize=REMEMBERED_CONTEXTS)(self._read_context)
        self._order = lru_cache(maxsize=2)(self._passages_of_epoch)

    @property
    def module(self) -> Reader:
        """The reader."""
        return self.reader

    def loss(self, batch: int) -> BatchLoss:
        """Loss of training batch `batch`."""
        rng = random.Random(f"{self.config.seed}/reader/{batch}")
        data = self.config.data
        generated = [("facts", rng.randrange(data.max_facts)) for _ in range(data.facts)]
        generated += [("portraits", rng.randrange(data.max_facts)) for _ in range(data.portraits)]
        generated += [("niah", rng.randrange(data.max_facts)) for _ in range(data.niah)]
        passages = [("questions", number) for number in self._passages_of_batch(batch)]
        self.reader.train()
        # Apart, since passages are much shorter.
        found = [one for drawn in (generated, passages) if (one := self._score(drawn, rng)) is not None]
        if not found:
            return BatchLoss(sum(p.sum() for p in self.reader.parameters()) * 0, {}, 0)  # pyright: ignore[reportArgumentType]
        loss, right = (torch.cat(values) for values in zip(*((one[0], one[1]) for one in found), strict=True))
        kinds = [kind for one in found for kind in one[2]]
        metrics: dict[str, float] = {}
        for kind in sorted(set(kinds)):
            chosen = torch.tensor([k == kind for k in kinds])
            metrics[f"loss/{kind}"] = loss.detach().cpu()[chosen].mean().item()
            metrics[f"exact/{kind}"] = right.cpu()[chosen].float().mean().item()
        return BatchLoss(loss.mean(), metrics, sum(one[3] for one in found))

    def _passages_of_batch(self, batch: int) -> list[int]:
        """Passages of training batch `batch`: each of them once in an epoch, but for a rest smaller than a batch."""
        size = min(self.config.data.questions, len(self._passages))
        if not size:
            return []
        epoch, index = divmod(batch, len(self._passages) // size)
        return self._order(epoch)[index]

    def _passages_of_epoch(self, epoch: int) -> list[list[int]]:
        rng = random.Random(f"{self.config.seed}/epoch/{epoch}")
        size = min(self.config.data.questions, len(self._passages))
        order = rng.sample(range(len(self._passages)), len(self._passages) // size * size)
        batches = []
        for start in range(0, len(order), POOLED_STEPS * size):
            pool = sorted(order[start : start + POOLED_STEPS * size], key=lambda i: _length(self._passages[i]))
            batches += [pool[i : i + size] for i in range(0, len(pool), size)]
        rng.shuffle(batches)
        return batches

    def evaluate(self) -> dict[str, float]:
        """Loss, and share of the questions whose answer is found, by kind on held-out contexts."""
        totals: dict[str, list[float]] = {}
        self.reader.eval()
        kinds = ["facts", *(["portraits"] if self.config.data.portraits else [])]
        drawn = [(f"heldout {kind}", i) for kind in kinds for i in range(HELDOUT_GENERATED)]
        drawn += [("heldout questions", i) for i in range(len(self._heldout))]
        size = self.config.data.facts + self.config.data.questions
        for start in range(0, len(drawn), size):
            found = self._score(drawn[start : start + size], None)
            if found is None:
                continue
            for kind, value, right in zip(found[2], found[0].tolist(), found[1].tolist(), strict=True):
                totals.setdefault(f"loss/{kind}", []).append(value)
                totals.setdefault(f"exact/{kind}", []).append(right)
        return {name: sum(values) / len(values) for name, values in sorted(totals.items())}

    def score(self, heldout: Mapping[str, float]) -> float:
        """Share of the questions whose answer is found, summed over the kinds."""
        return sum(value for name, value in heldout.items() if name.startswith("exact/"))

    def save_best(self, folder: Path) -> None:
        """Write the hypernetwork with its reader and its word test."""
        save_associative(folder, self.shape, self.hypernetwork, relevance=self.relevance)

    def _score(
        self, drawn: Sequence[tuple[str, int]], rng: random.Random | None
    ) -> tuple[Tensor, Tensor, list[str], int] | None:
        """Loss, whether the answer is found, and kind of each question, and the number of tokens read.

        Args:
            drawn: kind and number of each context.
            rng: draws questions, and other contexts that they are asked of; None: all questions, of their own.

        Returns:
            None if no answer stands in its context.
        """
        contexts = [self._read(kind, number) for kind, number in drawn]
        asked: list[tuple[int, _Asked]] = []
        for index, context in enumerate(contexts):
            most = min(len(context.questions), self.config.data.questions_per_context)
            questions = context.questions if rng is None else rng.sample(context.questions, most)
            asked += [(index, question) for question in questions]
        if not asked:
            return None
        pairs = [(n, index) for n, (index, _) in enumerate(asked)]
        if rng is not None and len(contexts) > 1:
            for n, (index, _) in enumerate(asked):
                if rng.random() < self.config.data.negative_probability:
                    pairs.append((n, rng.choice([i for i in range(len(contexts)) if i != index])))
        with torch.autocast(self.base.device.type, dtype=torch.bfloat16, enabled=self.config.optimization.bf16):
            documents = self._read_documents(contexts)
            questions = self._read_questions([question for _, question in asked])
            question, context = torch.tensor(pairs, device=self.base.device).unbind(1)
            mask = _padded([torch.ones(len(document), dtype=torch.bool) for document in documents]).to(question.device)
            is_asked = _padded([torch.ones(len(states), dtype=torch.bool) for states in questions]).to(question.device)
            matches = torch.zeros(len(pairs), mask.shape[1], NUM_MATCHES)
            for row, (n, c) in enumerate(pairs):
                words = contexts[c].words
                matches[row, : len(words)] = word_matches(asked[n][1].rarities, words)
            places = self.reader(
                _padded(documents).index_select(0, context),  # an index would add its gradient in any order
                mask[context],
                _padded(questions).index_select(0, question),
                is_asked[question],
                matches.to(question.device),
            )
        begins = torch.zeros(len(pairs), mask.shape[1], dtype=torch.bool)
        occurrence = torch.full((len(pairs), mask.shape[1]), -1)
        for row, (n, c) in enumerate(pairs):
            index, one = asked[n]
            for begin in one.begins if c == index else ():
                begins[row, begin] = True
                occurrence[row, begin : begin + one.length] = begin
        loss, right = place_loss(
            places, mask[context], question, begins.to(question.device), occurrence.to(question.device), len(asked)
        )
        kinds = [drawn[index][0].removeprefix("heldout ") for index, _ in asked]
        return loss, right, kinds, sum(len(documents[c]) for _, c in pairs)

    def _read_documents(self, contexts: Sequence[_Read]) -> list[Tensor]:
        """What the reader keeps of each context's tokens `[T, w]`, its chunks read one by one."""
        ids = [chunk for context in contexts for chunk in context.ids]
        states = _padded([chunk for context in contexts for chunk in context.states]).to(self.base.device)
        is_token = _padded([torch.ones(len(chunk), dtype=torch.bool) for chunk in ids]).to(self.base.device)
        outputs = self.base.output_embeddings(_padded(ids).to(self.base.device))
        found = iter(self.hypernetwork.read_documents(states.float(), outputs.float(), is_token))
        return [torch.cat([next(found)[: len(chunk) - 1] for chunk in context.ids]) for context in contexts]

    def _read_questions(self, questions: Sequence[_Asked]) -> list[Tensor]:
        """What the reader is asked by each question `[J, w]`."""
        states = _padded([question.states for question in questions]).to(self.base.device)
        is_token = _padded([torch.ones(len(q.ids), dtype=torch.bool) for q in questions]).to(self.base.device)
        outputs = self.base.output_embeddings(_padded([q.ids for q in questions]).to(self.base.device))
        found = self.hypernetwork.read_questions(states.float(), outputs.float(), is_token)
        return [row[: len(question.ids)] for row, question in zip(found, questions, strict=True)]

    @torch.no_grad()
    def _read_context(self, kind: str, number: int) -> _Read:
        example = self._example(kind, number)
        tokenizer = self.base.tokenizer
        chunks = [c for text in example.documents for c in split_into_chunks(text, tokenizer, self.shape.chunk_tokens)]
        ids, states = self._states(chunks)
        words = [ending_words(chunk[:-1].tolist(), tokenizer) for chunk in ids]
        # The token before a chunk's token i, which says it, is i in the memory of the chunk if a text begins with a
        # token of its own, and i - 1 if not.
        first, before = [0], len(ids[0]) - 1 - len(chunks[0])
        for chunk in ids:
            first.append(first[-1] + len(chunk) - 1)
        quoted = []
        for question in example.questions:
            answer = self.base.encode_text(f" {question.answers[0]}")
            if places := find_places(answer, dict(enumerate(chunks))):
                begins = [first[chunk] + before + index for chunk, index in places[0]]
                quoted.append((question.text, begins, len(answer)))
        encoded = zip(*self._states([self.base.encode_text(text) for text, _, _ in quoted]), strict=True)
        asked = [
            _Asked(question_ids, question_states, self.relevance.rarities(text), begins, length)
            for (text, begins, length), (question_ids, question_states) in zip(quoted, encoded, strict=True)
        ]
        return _Read(ids, states, torch.cat(words), asked)

    def _states(self, texts: Sequence[Sequence[int]]) -> tuple[list[Tensor], list[Tensor]]:
        """Tokens `[T]` and the base's states at the middle block `[T, d]` of each text, read alone."""
        ids = [torch.tensor(row) for row in with_start(self.base, texts)]
        return ids, self._remembered.states(texts, self._encode)

    def _encode(self, texts: Sequence[Sequence[int]]) -> list[Tensor]:
        middle = self.shape.layers[self.shape.middle]
        features = encode_chunks(self.base, texts, layers=(middle,))
        return [states[known] for states, known in zip(features.states[0], features.is_token, strict=True)]

    def _example(self, kind: str, number: int) -> Example:
        rng = random.Random(f"{self.config.seed}/{kind}/{number}")
        if kind == "questions":
            return self._passages[number]
        if kind == "heldout questions":
            return self._heldout[number]
        if kind == "niah":
            data = self.config.data
            length = rng.randint(data.niah_min_tokens, data.niah_max_tokens)
            return generate_niah_example(
                rng, length_tokens=length, count_tokens=lambda t: len(self.base.encode_text(t))
            )
        split = "heldout" if kind.startswith("heldout ") else "train"
        num_questions = 2 * self.config.data.questions_per_context
        if kind.endswith("portraits"):
            return generate_single_entity_example(rng, split=split, num_questions=num_questions)
        num_documents = rng.choice((1, 1, 1, 2))
        return generate_fact_example(rng, split=split, num_documents=num_documents, num_questions=num_questions)


def _quotes_answer(example: Example) -> bool:
    """Whether an answer of a passage stands in it, so that it says something about places."""
    return any(question.answers[0] in document for question in example.questions for document in example.documents)


def _length(example: Example) -> int:
    return sum(map(len, example.documents))


def _padded(rows: Sequence[Tensor]) -> Tensor:
    """Rows `[tokens, ...]` of different lengths in one tensor, filled up with zeros."""
    return pad_sequence(list(rows), batch_first=True)
