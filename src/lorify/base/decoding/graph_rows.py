"""Rows that the fast blocks decode on a GPU, where launching many small kernels takes longer than running them.

After some steps with the same rows, a step is recorded as a CUDA graph. Shapes and addresses of a graph are fixed, so
attention covers all positions of the cache and masks the unused ones.

Shapes: N rows, D hidden size, K key/value heads, C channels per head, T positions, V vocabulary size.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

import torch
from torch import Tensor

from lorify.atomic import failure_reason
from lorify.base.decoding.block_rows import BlockRows
from lorify.base.decoding.cache_positions import masked_positions
from lorify.base.decoding.card_work import RecordedWork, record_work
from lorify.base.decoding.compiled.session import DECODING_VARIABLE
from lorify.base.model import BaseLM

STEPS_BEFORE_GRAPH = 8
"""Recording a step takes as long as several steps, which does not pay off for rows that soon change."""
_log = logging.getLogger(__name__)


def uses_graphs(base: BaseLM) -> bool:
    """Return whether steps of a base are recorded as graphs."""
    is_wanted = os.environ.get(DECODING_VARIABLE) != "torch" and base.decoding_session.can_record
    return base.device.type == "cuda" and is_wanted


class GraphRows:
    """Rows of a batch, with the `step` of `BlockRows`."""

    def __init__(self, base: BaseLM, rows: BlockRows) -> None:
        """Record nothing yet.

        Args:
            base: the base.
            rows: decodes the rows until their step is recorded.
        """
        self._rows = rows
        self._session = base.decoding_session
        self._num_steps = 0
        self._work: RecordedWork | None = None
        # Inputs of the recorded step.
        self._x = torch.empty(len(rows.slots), base.hidden_size, dtype=base.dtype, device=base.device)
        self._lengths = torch.tensor([0] * len(rows.slots), device=base.device)
        self._slot_index = torch.tensor(rows.slots, device=base.device)
        self._known_lengths: list[int] = []  # the values in `_lengths`

    def step(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        """Decode one token of each row, like `lorify.base.decoding.compiled.rows.CompiledRows.step`."""
        self._num_steps += 1
        if not self._session.can_record or self._num_steps <= STEPS_BEFORE_GRAPH:
            return self._rows.step(x, lengths)
        self._x.copy_(x)
        if self._known_lengths != list(lengths):  # at first, and after other rows were decoded
            self._lengths.copy_(torch.tensor(lengths))
        if self._work is None and not self._record(x.device):
            return self._rows.step(x, lengths)
        assert self._work is not None
        logits = self._work.run()
        self._lengths.add_(1)  # on the GPU, since copying them there would wait for it
        self._known_lengths = [length + 1 for length in lengths]
        return logits

    def _record(self, device: torch.device) -> bool:
        """Record a step; return whether that was possible."""
        try:
            self._work = record_work(self._decode, device)
        except RuntimeError as error:
            self._session.can_record = False
            _log.warning("tokens are decoded without a CUDA graph, more slowly: %s", failure_reason(error))
        return self._session.can_record

    def _decode(self) -> Tensor:
        """Decode the tokens in `_x`; a repetition writes the same keys and values."""
        rows = self._rows
        positions = masked_positions(
            rows.slots, self._slot_index, self._lengths, rows.num_positions, rows.rotary, self._x
        )
        return rows.decode(self._x, positions)
