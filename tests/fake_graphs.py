"""CUDA graphs without a card: functions of torch that were recorded are computed again into the tensors they made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten

_NOT_RECORDED = {"item", "tolist", "cpu", "nonzero", "__bool__", "__int__", "__float__", "__index__", "tensor"}
"""What CUDA refuses while it records: the host would wait, or copy from memory that may be gone."""


class FakeGraph:
    """Stands in for `torch.cuda.CUDAGraph`."""

    num_replays = 0
    """Replays of all graphs."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, tuple, dict[str, Any], Any]] = []

    def replay(self) -> None:
        FakeGraph.num_replays += 1
        for func, args, kwargs, recorded in self.calls:
            computed = func(*args, **kwargs)
            for old, new in zip(tree_flatten(recorded)[0], tree_flatten(computed)[0], strict=True):
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class _Recorder(TorchFunctionMode):
    def __init__(self, graph: FakeGraph) -> None:
        super().__init__()
        self.graph = graph

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name in _NOT_RECORDED:
            raise RuntimeError(f"operation not permitted when stream is capturing: {name}")
        result = func(*args, **(kwargs or {}))
        if name != "__get__" or isinstance(result, Tensor):
            self.graph.calls.append((func, args, kwargs or {}, result))
        return result


@contextmanager
def _record(graph: FakeGraph, **_: object) -> Iterator[None]:
    with _Recorder(graph):
        yield


class _Waits:
    """A stream or an event, for which there is nothing to wait."""

    def __init__(self, _device: object = None) -> None:
        """Nothing runs on it."""

    def wait_stream(self, _other: object) -> None:
        """Return at once."""

    def record(self, _stream: object = None) -> None:
        """Return at once."""

    def synchronize(self) -> None:
        """Return at once."""


STAND_INS: dict[str, object] = {
    "CUDAGraph": FakeGraph,
    "graph": _record,
    "Stream": _Waits,
    "Event": _Waits,
    "stream": lambda _stream: nullcontext(),
    "current_stream": _Waits,
    "set_stream": lambda _stream: None,
    "device": lambda _device: nullcontext(),
}
"""Names of `torch.cuda` and what replaces them."""
