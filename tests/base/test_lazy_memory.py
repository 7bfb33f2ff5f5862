"""Zeroed tensors whose memory is provided when it is written."""

import sys
from pathlib import Path

import pytest
import torch

from lorify.base.lazy_memory import lazy_zeros


def resident_bytes() -> int:
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) * 1024


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(2, 3), (7, 3, 1000, 5)])
def test_zeros_can_be_written(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    tensor = lazy_zeros(shape, torch.empty(0, dtype=dtype))
    assert tensor.shape == shape and tensor.dtype == dtype
    assert not tensor.any()
    tensor[1] = 2
    assert tensor.sum() == 2 * tensor[1].numel()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_is_taken_when_it_is_written_and_given_back() -> None:
    before = resident_bytes()
    tensor = lazy_zeros((64, 1 << 20), torch.empty(0))
    assert resident_bytes() - before < 32 << 20
    tensor[:32] = 1
    assert resident_bytes() - before > 100 << 20
    del tensor
    assert resident_bytes() - before < 32 << 20
