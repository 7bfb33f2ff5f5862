"""Batches that start with the context that did not fit into the previous one, as published.

If that context were dropped, long contexts would be drawn less often than their share, because they overflow more
often. Batches 64 apart follow one another in a stream, so that several processes need not build each other's batches. A
stream restarts after 16 batches, so that a resumed run rebuilds only a few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

NUM_STREAMS = 64
STREAM_BATCHES = 16
WINDOW_BATCHES = NUM_STREAMS * STREAM_BATCHES

Batch = TypeVar("Batch")


@dataclass
class _Position(Generic[Batch]):
    """The position of a stream: its window, the index of its next batch, and the iterator over its batches."""

    window: int
    index: int
    batches: Iterator[Batch]


class Streams(Generic[Batch]):
    """Finds batch n in its stream; batches requested in order are built once."""

    def __init__(self, start: Callable[[int, int], Iterator[Batch]]) -> None:
        """Build batches with `start(window, stream)`, an endless iterator over the batches of one stream."""
        self._start = start
        self._positions: dict[int, _Position[Batch]] = {}

    def batch(self, number: int) -> Batch:
        """Return batch `number`, counted from 0 over the whole run; builds earlier ones in its stream if needed."""
        window, place = divmod(number, WINDOW_BATCHES)
        index, stream = divmod(place, NUM_STREAMS)
        position = self._positions.get(stream)
        if position is None or (position.window, position.index) != (window, index):
            position = self._positions[stream] = _Position(window, 0, self._start(window, stream))
        while position.index < index:
            next(position.batches)
            position.index += 1
        position.index += 1
        return next(position.batches)
