"""Where tests run: `LORIFY_TEST_DEVICE` chooses the device of everything that they build; without it, the CPU.

Tests write `torch.ones(2)` and `load_base(folder)` and mean the chosen device; what they compare may be on any. lorify
itself gets no such help: tensors that its own code creates stay where that code puts them, so a tensor on the wrong
device is still an error. If the device is `cuda` and there is no card, a simulated one stands in (`fake_card`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_card import fake_card, in_all_threads
from torch import Tensor
from torch.overrides import TorchFunctionMode

from lorify.base import loading

DEVICE_VARIABLE = "LORIFY_TEST_DEVICE"
best_device = loading.best_device
"""lorify's own choice, which tests of it need; elsewhere `device_of_tests` stands in."""
_TESTS = str(Path(__file__).parent)
_TORCH = str(Path(torch.__file__).parent)
_CREATORS = {
    getattr(torch, name)
    for name in (
        "arange as_tensor empty eye full linspace ones rand randint randn randperm scalar_tensor tensor zeros"
    ).split()
}


def device_of_tests() -> torch.device:
    """Return the device that the variable names, else the CPU."""
    return torch.device(os.environ.get(DEVICE_VARIABLE, "cpu"))


@contextmanager
def tests_on(device: torch.device) -> Iterator[None]:
    """Run tests on a device inside the `with` block, bases that are loaded without a device included."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "best_device", device_of_tests)
        if device.type == "cpu":
            yield
            return
        patch.setattr(torch.testing, "assert_close", partial(torch.testing.assert_close, check_device=False))
        needs_fake = device.type == "cuda" and not torch.cuda.is_available()
        with (fake_card if needs_fake else in_all_threads)(lambda: _TensorsOfTests(device)):
            yield


class _TensorsOfTests(TorchFunctionMode):
    """Moves tensors that test files create to a device, and those that they compare to the CPU.

    Random ones are drawn on the CPU, so that they are the same for all devices.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(self, func, types, args=(), kwargs: dict[str, Any] | None = None):
        kwargs = kwargs or {}
        if func is torch.equal and _is_called_by_a_test():
            return torch.equal(args[0].cpu(), args[1].cpu())
        created = func(*args, **kwargs)
        if func not in _CREATORS or "device" in kwargs or not _is_called_by_a_test():
            return created
        if any(isinstance(value, Tensor) for value in args):  # as_tensor and tensor keep the device of a tensor
            return created
        moved = created.detach().to(self.device)
        return moved.requires_grad_() if created.requires_grad else moved


def _is_called_by_a_test() -> bool:
    """Return whether the innermost caller outside torch is a test file."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith((_TORCH, "<")):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(_TESTS)
