"""A CUDA device without a card: tensors that hold their values in the CPU's memory but say that they are on `cuda:0`.

Every operation is computed, so that code which looks at values runs too. An operation on tensors of both devices raises
the error that CUDA would, `DeviceSlip`, and so does a conversion that needs the CPU, such as `numpy()`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import fake_graphs
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map_only

CARD = torch.device("cuda", 0)
CPU = torch.device("cpu")
_MIXED = {
    "copy_",
    "load_state_dict",
    "set_data",
    "backward",
    "_has_compatible_shallow_copy_type",
}  # take tensors of both devices
_READS = {"item", "tolist", "cpu", "nonzero", "__bool__", "__int__", "__float__", "__index__"}
_INDEXED = {"__getitem__", "index"}  # whose indices may be on the CPU


class DeviceSlip(RuntimeError):
    """Tensors of the CPU and of the card met, or one of the card was used where only one of the CPU can be."""


class CardTensor(Tensor):
    """A tensor on the card."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


class _CardMode(TorchFunctionMode):
    """Sends every function of torch through `_run`, as those that create tensors have no argument to dispatch on."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


@contextmanager
def fake_card(*inner_modes: Callable[[], TorchFunctionMode]) -> Iterator[None]:
    """Make `cuda` usable inside the `with` block, also in threads that start there; `inner_modes` see its tensors."""
    overwrites = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)  # parameters become CardTensors
    replaced = {
        "synchronize": lambda _device=None: None,
        "max_memory_allocated": lambda _device=None: 0,
        **fake_graphs.STAND_INS,
    }
    originals = {name: getattr(torch.cuda, name) for name in replaced}
    for name, stand_in in replaced.items():
        setattr(torch.cuda, name, stand_in)
    try:
        with in_all_threads(_CardMode, *inner_modes):
            yield
    finally:
        for name, original in originals.items():
            setattr(torch.cuda, name, original)
        torch.__future__.set_overwrite_module_params_on_conversion(overwrites)


@contextmanager
def in_all_threads(*build_modes: Callable[[], TorchFunctionMode]) -> Iterator[None]:
    """Turn modes on inside the `with` block, also in threads that start there; the last one sees calls first."""
    run = threading.Thread.run

    @contextmanager
    def modes() -> Iterator[None]:
        with ExitStack() as stack:
            for build in build_modes:
                stack.enter_context(build())
            yield

    def run_in_modes(thread: threading.Thread) -> None:
        with modes():
            run(thread)

    threading.Thread.run = run_in_modes
    try:
        with modes():
            yield
    finally:
        threading.Thread.run = run


class NoFloat64(TorchFunctionMode):
    """Refuses float64 on the card inside a `with` block, as Apple's MPS does."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in tree_flatten(result)[0]:
            if isinstance(tensor, CardTensor) and tensor.dtype == torch.float64:
                raise DeviceSlip(f"{getattr(func, '__name__', func)}: the device has no float64")
        return result


class HostCopies(TorchFunctionMode):
    """Counts what makes the CPU wait for the card, inside a `with` block: values that it reads.

    Attributes:
        count: number of such reads.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        reads = name in _READS or (name == "to" and any(value in (CPU, "cpu") for value in args[1:]))
        if reads and isinstance(args[0], CardTensor):
            self.count += 1
        return func(*args, **(kwargs or {}))


def _run(func: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    name = getattr(func, "__name__", "")
    owner = getattr(func, "__self__", None)  # of a property's getter: the property
    with torch._C.DisableTorchFunction():
        special = _SPECIAL.get(_property_name(owner) if name == "__get__" else name)
        if special is not None and args and isinstance(args[0], CardTensor):
            return special(args[0])
        if name in ("to", "cuda", "cpu") and args and isinstance(args[0], Tensor):
            return _moved(func, name, args, kwargs)
        wanted = kwargs.get("device")
        device = None if wanted is None else torch.device(wanted)
        if device is not None and device.type == "cuda":
            kwargs = {**kwargs, "device": CPU}
        if kwargs.get("pin_memory"):  # which needs a driver
            kwargs = {**kwargs, "pin_memory": False}
        tensors = [t for t in tree_flatten((args, kwargs))[0] if isinstance(t, Tensor)]
        on_card = any(isinstance(t, CardTensor) for t in tensors)
        if on_card and name not in _MIXED:
            _check(func, name, args, tensors)
        _check_generator(name, kwargs.get("generator"), device, on_card)
        result = func(*args, **kwargs)
        if device is not None:
            return _on_card(result) if device.type == "cuda" else result
        return _on_card(result) if on_card else result


def _check(func: Callable, name: str, args: tuple, tensors: list[Tensor]) -> None:
    """Raise an error if a tensor of the CPU is among those of the card; numbers may be anywhere."""
    if name in _INDEXED and isinstance(args[0], CardTensor):
        return
    if name == "__setitem__" and isinstance(args[0], CardTensor):
        index = tree_flatten(args[1])[0]
        tensors = [args[2]] if isinstance(args[2], Tensor) and any(isinstance(i, Tensor) for i in index) else []
    wrong = [t for t in tensors if not isinstance(t, CardTensor) and t.dim() > 0 and t.device.type == "cpu"]
    if wrong:
        shapes = ", ".join(str(list(t.shape)) for t in wrong)
        raise DeviceSlip(f"{name or func}: expected all tensors on {CARD}, but those of shape {shapes} are on the CPU")


def _check_generator(name: str, generator: torch.Generator | None, device: torch.device | None, on_card: bool) -> None:
    if generator is not None and (on_card or (device is not None and device.type == "cuda")):
        raise DeviceSlip(f"{name}: a generator of the CPU cannot draw numbers on {CARD}")


def _moved(func: Callable, name: str, args: tuple, kwargs: dict[str, Any]) -> Tensor:
    """Compute `to`, `cuda` or `cpu`."""
    source = args[0]
    if name == "cpu":
        return source.as_subclass(Tensor) if isinstance(source, CardTensor) else source
    if name == "cuda":
        return _on_card(source)
    other = next((a for a in (*args[1:], *kwargs.values()) if isinstance(a, Tensor)), None)
    target = _device_of(other) if other is not None else torch._C._nn._parse_to(*args[1:], **_without_copy(kwargs))[0]
    stays = _device_of(source) if target is None else torch.device(target)
    rest = tuple(CPU if _is_cuda(a) else a for a in args[1:])
    moved = func(source, *rest, **{key: CPU if _is_cuda(a) else a for key, a in kwargs.items()})
    return (
        _on_card(moved)
        if stays.type == "cuda"
        else moved.as_subclass(Tensor)
        if isinstance(moved, CardTensor)
        else moved
    )


def _without_copy(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in kwargs.items() if key not in ("copy", "memory_format")}


def _is_cuda(value: object) -> bool:
    if isinstance(value, str):
        return value.startswith("cuda")
    return isinstance(value, torch.device) and value.type == "cuda"


def _device_of(tensor: Tensor) -> torch.device:
    return CARD if isinstance(tensor, CardTensor) else tensor.device


def _on_card(result: Any) -> Any:
    """Put all tensors of a result on the card; those that are there already keep their identity."""

    def put(tensor: Tensor) -> Tensor:
        if isinstance(tensor, CardTensor) or tensor.device.type == "meta":
            return tensor
        return tensor.as_subclass(CardTensor)

    return tree_map_only(Tensor, put, result)


def _property_name(getter: object) -> str:
    return getattr(getter, "__name__", "")


def _needs_cpu(tensor: Tensor) -> None:
    raise DeviceSlip(
        f"a tensor of shape {list(tensor.shape)} on {CARD} cannot become a NumPy array; copy it with cpu()"
    )


def _deep_copied(tensor: Tensor) -> Tensor:
    return tensor.detach().clone().as_subclass(CardTensor).requires_grad_(tensor.requires_grad)


def _pickled(tensor: Tensor) -> Any:
    return tensor.as_subclass(Tensor).__reduce_ex__(2)


_SPECIAL: dict[str, Callable[[Tensor], Any]] = {
    "device": lambda _: CARD,
    "is_cuda": lambda _: True,
    "is_cpu": lambda _: False,
    "get_device": lambda _: 0,
    "numpy": _needs_cpu,
    "__array__": _needs_cpu,
    "__deepcopy__": _deep_copied,
    "__reduce_ex__": _pickled,
}
