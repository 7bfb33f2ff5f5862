"""How far the generation of an adapter has come."""

from __future__ import annotations

import time
from typing import Literal

Phase = Literal["reading", "waiting", "internalizing", "studying", "saving"]
"""`reading` the documents, `waiting` for earlier ones, `internalizing`, or `saving` the adapter in the store."""

MIN_FRACTION = 0.02
"""Below this fraction the rest of the time cannot be told."""


class Progress:
    """The progress of one adapter; a worker thread writes it and the event loop reads it.

    Attributes:
        phase: what is being done.
    """

    def __init__(self, phase: Phase = "waiting") -> None:
        """Start in a phase, with nothing done."""
        self.phase: Phase = phase
        self._total_tokens = 0
        self._num_tokens = 0
        self._started = 0.0

    def begin(self, total_tokens: int) -> None:
        """Begin to internalize documents of about `total_tokens` tokens."""
        self._total_tokens, self._num_tokens = total_tokens, 0
        self._started = time.monotonic()
        self.phase = "internalizing"

    def advance(self, num_tokens: int) -> None:
        """Count tokens that have been internalized."""
        self._num_tokens += num_tokens

    @property
    def fraction(self) -> float:
        """Share of the tokens that have been internalized, 0 to 1."""
        if self.phase == "saving":
            return 1.0
        # The total is an estimate.
        return min(0.99, self._num_tokens / self._total_tokens) if self._total_tokens else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Time until the documents are internalized, in seconds; None while it cannot be told."""
        if self.phase != "internalizing" or self.fraction < MIN_FRACTION:
            return None
        return (time.monotonic() - self._started) * (1 - self.fraction) / self.fraction
