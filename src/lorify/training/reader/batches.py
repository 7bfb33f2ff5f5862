"""Contexts in the batches of reader training."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache

from lorify.data.examples import Example
from lorify.hypernets.associative.reader_training_config import ReaderTrainingConfig

NUM_HELDOUT_GENERATED, NUM_HELDOUT_PASSAGES = 60, 300
"""Held-out contexts of each generated kind, and natural passages."""
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
        self.heldout = rng.sample(heldout, min(len(heldout), NUM_HELDOUT_PASSAGES))
        self.heldout.sort(key=_length)
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
        draws = [(f"heldout {kind}", i) for kind in kinds for i in range(NUM_HELDOUT_GENERATED)]
        draws += [("heldout questions", i) for i in range(len(self.heldout))]
        size = self.config.data.facts + self.config.data.questions
        return [draws[start : start + size] for start in range(0, len(draws), size)]


def _contains_answer(example: Example) -> bool:
    return any(question.answers[0] in document for question in example.questions for document in example.documents)


def _length(example: Example) -> int:
    return sum(map(len, example.documents))
