"""GPU work that the host does not wait for: CUDA graphs, which are recorded once, and reads in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_WARM_UPS = 3
"""Runs before recording, in which libraries choose kernels and allocate memory that they keep."""
_recording = threading.Lock()


@dataclass(frozen=True)
class RecordedWork:
    """Recorded work that can be repeated on the current values of its input tensors.

    Attributes:
        graph: the recorded kernels.
        result: their output; each run overwrites it.
    """

    graph: torch.cuda.CUDAGraph
    result: Tensor

    def run(self) -> Tensor:
        """Repeat the work and return a copy of its result."""
        with torch.cuda.device(self.result.device):
            self.graph.replay()
        return self.result.clone()


def record_work(work: Callable[[], Tensor], device: torch.device) -> RecordedWork:
    """Run work a few times, then record it.

    Args:
        work: computes a tensor from others whose addresses and shapes stay the same; it must not wait for the GPU.
        device: the GPU.

    Raises:
        RuntimeError: if CUDA cannot record it.
    """
    graph = torch.cuda.CUDAGraph()
    with _recording, torch.cuda.device(device):
        current = torch.cuda.current_stream(device)
        stream = torch.cuda.Stream(device)
        stream.wait_stream(current)
        try:
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UPS):
                    work()
            # Other threads may allocate memory in the meantime.
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                result = work()
        finally:
            torch.cuda.set_stream(current)  # a failed recording leaves its own stream set
        current.wait_stream(stream)
    return RecordedWork(graph, result)


def start_reading(tokens: Tensor) -> Callable[[], list[int]]:
    """Start copying tokens `[N]` from a GPU; the returned function waits only for the copy, not for later work."""
    copied = tokens.to("cpu", non_blocking=True)
    with torch.cuda.device(tokens.device):
        done = torch.cuda.Event()
        done.record(torch.cuda.current_stream(tokens.device))

    def read() -> list[int]:
        done.synchronize()
        return copied.tolist()

    return read
