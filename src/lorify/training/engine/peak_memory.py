"""Peak memory of code, found by running it on tensors that have no memory.

PyTorch's fake tensors have shapes, dtypes and devices but no numbers. Whatever runs on them makes and drops the same
tensors as in earnest; their sizes are added up as they come and go. What an operation takes for itself is not seen, and
an attention mask is made that a real run, which can look at the padding, may leave out.
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
    """Most bytes that `run` holds at a time beside the weights it works with.

    Args:
        run: works on the CPU; it may not look at numbers.
        modules: what it works with, on the meta device; their tensors become fake ones.
    """
    with FakeTensorMode(allow_non_fake_inputs=True):
        for module in modules:
            module.to_empty(device="cpu")
        with _LiveBytes() as live:
            run()
    return live.most


class _LiveBytes(TorchDispatchMode):
    """Adds up the storages that operations make, until each is dropped; `most` is the highest sum."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self._living: dict[int, weakref.ref] = {}

    def __torch_dispatch__(
        self, func: Callable, types: object, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        inputs = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and tensor.untyped_storage()._cdata not in inputs:
                self._add(tensor.untyped_storage())
        return made

    def _add(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._living:
            return

        def drop(_: object) -> None:
            self.now -= size
            del self._living[key]

        self._living[key] = weakref.ref(storage, drop)
        self.now += size
        self.most = max(self.most, self.now)
