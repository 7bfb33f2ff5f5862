"""Contexts in the batches of reader training."""

from __future__ import annotations

import random
from collections.abc import Sequence

from lorify.data.examples import Example
from lorify.hypernets.associative.reader_training_config import ReaderTrainingConfig
from lorify.training.pooled_order import PooledOrder
from lorify.training.unanswerable import with_deleted_answers, with_swapped_questions

NUM_HELDOUT_GENERATED = 60
"""Maximum number of held-out contexts of each generated kind."""
Draw = tuple[str, int]
"""Kind and number of a context."""


class ContextSampler:
    """Draws the contexts of each batch from the seed and the batch number."""

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
            self.deleted, self.heldout_deleted = map(with_deleted_answers, (self.passages, self.heldout))
            self.passages, self.heldout = (with_swapped_questions(rng, some) for some in (self.passages, self.heldout))
        size = min(config.data.questions, len(self.passages))
        self._order = PooledOrder(str(config.seed), list(map(_length, self.passages)), size)

    def draw_generated(self, rng: random.Random) -> list[Draw]:
        """Draw the generated contexts of a batch."""
        data = self.config.data
        counts = {"facts": data.facts, "portraits": data.portraits, "niah": data.niah}
        return [(kind, rng.randrange(data.max_facts)) for kind, count in counts.items() for _ in range(count)]

    def passages_of_batch(self, batch: int) -> list[int]:
        """Choose the passages of a batch by index: each once per epoch, except for a remainder smaller than a batch."""
        return self._order.batch(batch)

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


def _contains_answer(example: Example) -> bool:
    return any(question.answers[0] in document for question in example.questions for document in example.documents)


def _length(example: Example) -> int:
    return sum(map(len, example.documents))
