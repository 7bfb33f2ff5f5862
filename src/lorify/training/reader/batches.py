"""Contexts in the batches of reader training."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from lorify.contexts.chunking import split_into_sentences
from lorify.data.examples import Example, Question
from lorify.data.unanswerable import most_similar_question, without_answer
from lorify.hypernets.associative.reader_training_config import ReaderTrainingConfig

NUM_HELDOUT_GENERATED = 60
"""Held-out contexts of each generated kind, at most."""
NUM_SWAPPED_FROM = 300
"""The question that a passage does not answer is the most similar one of this many."""
POOLED_STEPS = 16
"""Passages of this many steps are sorted by length before they form batches, so that little of a batch is padding."""

Draw = tuple[str, int]
"""Kind and number of a context."""


class ContextSampler:
    """Draws the contexts of each batch from the seed and the number of the batch."""

    def __init__(
        self, config: ReaderTrainingConfig, passages: Sequence[Example], heldout_passages: Sequence[Example]
    ) -> None:
        """Choose the passages of the run, among those that contain an answer."""
        self.config = config
        rng = random.Random(f"{config.seed}/passages")
        passages, heldout = ([p for p in some if _contains_answer(p)] for some in (passages, heldout_passages))
        self.passages = rng.sample(passages, min(len(passages), config.data.max_passages))
        self.heldout = rng.sample(heldout, min(len(heldout), config.data.max_heldout))
        self.heldout.sort(key=_length)
        self.deleted: dict[int, Example] = {}
        self.heldout_deleted: dict[int, Example] = {}
        if config.data.unanswerable_questions:
            self.deleted, self.heldout_deleted = map(_with_deleted_answers, (self.passages, self.heldout))
            self.passages, self.heldout = (_with_swapped_questions(rng, some) for some in (self.passages, self.heldout))
        self._epoch = lru_cache(maxsize=2)(self._draw_epoch)

    def draw_generated(self, rng: random.Random) -> list[Draw]:
        """Draw the generated contexts of a batch."""
        data = self.config.data
        counts = {"facts": data.facts, "portraits": data.portraits, "niah": data.niah}
        return [(kind, rng.randrange(data.max_facts)) for kind, count in counts.items() for _ in range(count)]

    def passages_of_batch(self, batch: int) -> list[int]:
        """Choose the passages of a batch by index: each once per epoch, but for a remainder smaller than a batch."""
        size = min(self.config.data.questions, len(self.passages))
        if not size:
            return []
        epoch, index = divmod(batch, len(self.passages) // size)
        return self._epoch(epoch)[index]

    def _draw_epoch(self, epoch: int) -> list[list[int]]:
        rng = random.Random(f"{self.config.seed}/epoch/{epoch}")
        size = min(self.config.data.questions, len(self.passages))
        order = rng.sample(range(len(self.passages)), len(self.passages) // size * size)
        batches = []
        for start in range(0, len(order), POOLED_STEPS * size):
            pool = sorted(order[start : start + POOLED_STEPS * size], key=lambda i: _length(self.passages[i]))
            batches += [pool[i : i + size] for i in range(0, len(pool), size)]
        rng.shuffle(batches)
        return batches

    def heldout_batches(self) -> list[list[Draw]]:
        """List the batches of all held-out contexts."""
        kinds = ["facts", *(["portraits"] if self.config.data.portraits else [])]
        draws = [
            (f"heldout {kind}", i)
            for kind in kinds
            for i in range(min(NUM_HELDOUT_GENERATED, self.config.data.max_heldout))
        ]
        draws += [("heldout questions", i) for i in range(len(self.heldout))]
        draws += [("heldout deleted", i) for i in self.heldout_deleted]
        size = self.config.data.facts + self.config.data.questions
        return [draws[start : start + size] for start in range(0, len(draws), size)]


def _with_deleted_answers(passages: Sequence[Example]) -> dict[int, Example]:
    """Passages without the sentences that answer their first question, by the number of the passage."""
    found: dict[int, Example] = {}
    for number, passage in enumerate(passages):
        text, question = "\n\n".join(passage.documents), passage.questions[0]
        if shorter := without_answer(list(split_into_sentences(text)), question.answers):
            found[number] = Example((shorter,), (), passage.source, unanswerable=(question.text,))
    return found


def _with_swapped_questions(rng: random.Random, passages: Sequence[Example]) -> list[Example]:
    """Passages with a question about another passage each, of the same source if it has others."""
    by_source: dict[str, list[tuple[Example, Question]]] = {}
    for passage in passages:
        by_source.setdefault(passage.source, []).extend((passage, question) for question in passage.questions)
    found: list[Example] = []
    for passage in passages:
        pool = by_source[passage.source]
        drawn = rng.sample(pool, min(len(pool), NUM_SWAPPED_FROM))
        others = [question for other, question in drawn if other is not passage]
        swapped = most_similar_question("\n\n".join(passage.documents), others)
        found.append(replace(passage, unanswerable=(swapped.text,)) if swapped is not None else passage)
    return found


def _contains_answer(example: Example) -> bool:
    return any(question.answers[0] in document for question in example.questions for document in example.documents)


def _length(example: Example) -> int:
    return sum(map(len, example.documents))
