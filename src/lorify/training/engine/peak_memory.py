"""Peak memory of code, measured by running it on tensors without memory.

PyTorch's fake tensors have shapes, dtypes and devices but no values. Code that runs on them allocates and frees the
same tensors as in a real run, and their sizes are added up. Memory that an operation uses internally is not counted.
An attention mask is counted that a real run can omit if there is no padding.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def peak_bytes(run: Callable[[], object], modules: Iterable[nn.Module]) -> int:
    """Measure the peak of the bytes that `run` allocates, without the weights of its modules.

    Args:
        run: code for the CPU; it may not depend on values.
        modules: the modules it uses, on the meta device; their tensors become fake ones.
    """
    with FakeTensorMode(allow_non_fake_inputs=True):
        for module in modules:
            module.to_empty(device="cpu")
        with _LiveBytes() as live:
            run()
    return live.peak


class _LiveBytes(TorchDispatchMode):
    """Adds up the storages that operations allocate, until each is freed; `peak` is the highest sum."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._live: dict[int, weakref.ref] = {}

    def __torch_dispatch__(
        self, func: Callable, types: object, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        inputs = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        outputs = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(outputs):
            if isinstance(tensor, Tensor) and tensor.untyped_storage()._cdata not in inputs:
                self._add(tensor.untyped_storage())
        return outputs

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._live:
            return

        def free(_: object) -> None:
            self.now -= size
            del self._live[key]

        self._live[key] = weakref.ref(storage, free)
        self.now += size
        self.peak = max(self.peak, self.now)
