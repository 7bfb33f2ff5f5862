"""The order in which a run visits its texts: batches of similar length, so that they have little padding."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache

POOLED_STEPS = 16
"""Texts of this many steps are sorted by length before they form batches."""


class PooledOrder:
    """The texts of each batch, determined by the seed and the batch number."""

    def __init__(self, seed: str, lengths: Sequence[int], size: int) -> None:
        """Set the texts to draw from.

        Args:
            seed: seed of the order.
            lengths: length of each text.
            size: texts in a batch; 0 for empty batches.
        """
        self._seed, self._lengths, self._size = seed, lengths, size
        self._epoch = lru_cache(maxsize=2)(self._draw_epoch)

    def batch(self, number: int) -> list[int]:
        """Return the indices of a batch: each text once per epoch, except for a remainder smaller than a batch."""
        if not self._size:
            return []
        epoch, index = divmod(number, len(self._lengths) // self._size)
        return self._epoch(epoch)[index]

    def _draw_epoch(self, epoch: int) -> list[list[int]]:
        rng = random.Random(f"{self._seed}/epoch/{epoch}")
        order = rng.sample(range(len(self._lengths)), len(self._lengths) // self._size * self._size)
        batches: list[list[int]] = []
        for start in range(0, len(order), POOLED_STEPS * self._size):
            pool = sorted(order[start : start + POOLED_STEPS * self._size], key=self._lengths.__getitem__)
            batches += [pool[i : i + self._size] for i in range(0, len(pool), self._size)]
        rng.shuffle(batches)
        return batches
