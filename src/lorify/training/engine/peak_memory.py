"""Measure memory and operations of code by running it on tensors without memory.

PyTorch's fake tensors have shapes, dtypes and devices but no values. Code that runs on them allocates and frees the
same tensors as in a real run. Their sizes are added up, and so are the operations of matrix products. Memory used
inside an operation is not counted. The attention mask is counted even though a real run can omit it if there is no
padding.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count, shape_wrapper

_ATEN = torch.ops.aten


def _attention_flops(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: object, **__: object) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward_flops(
    gradient: Sequence[int], query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: object, **__: object
) -> int:
    return sdpa_backward_flop_count(gradient, query, key, value)


CPU_ATTENTION_FLOPS: dict[Any, Callable[..., int]] = {
    _ATEN._scaled_dot_product_flash_attention_for_cpu: _attention_flops,
    _ATEN._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward_flops,
}
"""Operations of fused CPU attention, which PyTorch's registry lacks; a mapping for `FlopCounterMode`."""
_COUNTS: dict[Any, Callable[..., int]] = {
    **flop_registry,
    **{operator: shape_wrapper(count) for operator, count in CPU_ATTENTION_FLOPS.items()},
}


@dataclass(frozen=True)
class Cost:
    """Memory and operations that code needs.

    Attributes:
        peak_bytes: maximum bytes allocated at a time, without the weights of its modules.
        kept_bytes: bytes that its result keeps allocated, including those for its backward pass.
        flops: operations of its matrix products, two for each multiplication.
    """

    peak_bytes: int
    kept_bytes: int
    flops: float

    def plus_difference(self, less: Cost, more: Cost, times: float) -> Cost:
        """Return this cost plus `times` the difference of two costs."""
        return Cost(
            peak_bytes=self.peak_bytes + round(times * (more.peak_bytes - less.peak_bytes)),
            kept_bytes=self.kept_bytes + round(times * (more.kept_bytes - less.kept_bytes)),
            flops=self.flops + times * (more.flops - less.flops),
        )


def measure_cost(run: Callable[[], object], modules: Iterable[nn.Module]) -> Cost:
    """Measure the cost of `run`.

    Args:
        run: code for the CPU; it must not depend on values.
        modules: the modules it uses, on the meta device; their tensors become fake ones.
    """
    with FakeTensorMode(allow_non_fake_inputs=True):
        for module in modules:
            module.to_empty(device="cpu")
            for parameter in module.parameters():
                if parameter.requires_grad:  # gradients stay allocated during a run and are counted with its state
                    parameter.grad = torch.zeros_like(parameter)
        with _Ledger() as ledger:
            result = run()
            kept = ledger.now
            del result
    return Cost(ledger.peak, kept, ledger.flops)


class _Ledger(TorchDispatchMode):
    """Adds up operations, and the storages that they allocate until each is freed; `peak` is the highest sum."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.flops = 0.0
        self._live: dict[int, weakref.ref] = {}

    def __torch_dispatch__(
        self, func: Callable, types: object, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        inputs = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        outputs = func(*args, **(kwargs or {}))
        count = _COUNTS.get(getattr(func, "overloadpacket", None))
        if count is not None:
            self.flops += count(*args, **(kwargs or {}), out_val=outputs)
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
