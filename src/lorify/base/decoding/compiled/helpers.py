"""Threads that help with decoding steps and sleep between them."""

from __future__ import annotations

import threading
import weakref
from queue import SimpleQueue

import numpy as np
import torch

from lorify.base.decoding.compiled.step import ALONE, HELPER, LEADER, prepare_step, run_step

Step = tuple[np.ndarray, np.ndarray, np.ndarray]
"""What `run_step` takes: operations, their numbers and a control block."""


class Helpers:
    """Threads, one fewer than PyTorch uses. They take parts of a step when they get to run; no step waits for that."""

    def __init__(self) -> None:
        """Start without threads."""
        self._queues: list[SimpleQueue[Step | None]] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()  # held by the step that the threads help with
        weakref.finalize(self, _stop, self._queues)

    def run(self, step: Step) -> None:
        """Run a step, without help if the threads are busy with another one."""
        if torch.get_num_threads() == 1 or not self._lock.acquire(blocking=False):
            run_step(*step, ALONE)
            return
        try:
            prepare_step(step[2])
            for queue in self._started(torch.get_num_threads() - 1):
                if queue.empty():  # otherwise the thread has not yet woken up for an earlier step
                    queue.put(step)
            run_step(*step, LEADER)
        finally:
            self._lock.release()

    def _started(self, number: int) -> list[SimpleQueue[Step | None]]:
        if not all(thread.is_alive() for thread in self._threads):  # this process was forked
            self._threads, self._queues[:] = [], []
        while len(self._threads) < number:
            queue: SimpleQueue[Step | None] = SimpleQueue()
            thread = threading.Thread(target=_help, args=(queue,), name="lorify-decoding", daemon=True)
            thread.start()
            self._queues.append(queue)
            self._threads.append(thread)
        return self._queues[:number]


def _help(queue: SimpleQueue[Step | None]) -> None:
    while (step := queue.get()) is not None:
        run_step(*step, HELPER)


def _stop(queues: list[SimpleQueue[Step | None]]) -> None:
    for queue in queues:
        queue.put(None)
