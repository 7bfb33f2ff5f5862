"""Build batches while an accelerator computes the previous step, so that it does not wait for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import torch

from lorify.training.engine.processes import num_processes

Built = TypeVar("Built")


class PrefetchedBatches(Generic[Built]):
    """Builds batches by number; on an accelerator, the next one is built in a separate thread.

    A CPU computes the steps itself, so nothing would be gained, and batches are built on demand.
    """

    def __init__(self, build: Callable[[int], Built], device: torch.device) -> None:
        """Build nothing yet.

        Args:
            build: builds batch n, the same every time. It runs in another thread, one call at a time, and may read but
                not modify data that the steps use.
            device: device of the steps.
        """
        self._build = build
        self._thread = None if device.type == "cpu" else ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._next: tuple[int, Future[Built]] | None = None

    def take(self, batch: int) -> tuple[Built, float]:
        """Return a batch, and how many seconds the step waited for it.

        Afterwards this process's next batch is built; batches are assigned to processes in turn.

        Raises:
            Exception: whatever building the batch raises.
        """
        started = time.perf_counter()
        if self._thread is None:
            return self._build(batch), time.perf_counter() - started
        if self._next is None or self._next[0] != batch:
            self._start(self._thread, batch)
        assert self._next is not None
        built = self._next[1].result()
        seconds = time.perf_counter() - started
        self._start(self._thread, batch + num_processes())
        return built, seconds

    def _start(self, thread: ThreadPoolExecutor, batch: int) -> None:
        if self._next is not None:
            self._next[1].cancel()
        self._next = batch, thread.submit(self._build, batch)
