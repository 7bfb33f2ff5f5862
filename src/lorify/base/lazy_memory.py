"""Zeroed tensors whose memory the system provides page by page, on first write."""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence

import torch
from torch import Tensor


def lazy_zeros(shape: Sequence[int], like: Tensor) -> Tensor:
    """Return zeros with the dtype and device of `like`.

    On a CPU, unlike with `torch.zeros`, a large tensor takes neither time nor memory until it is used, and its memory
    is returned to the system when it is freed.
    """
    num_bytes = math.prod(shape) * like.element_size()
    if like.device.type != "cpu" or num_bytes < mmap.PAGESIZE:
        return like.new_zeros(shape)
    memory = mmap.mmap(-1, num_bytes)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):  # else a huge page would be zeroed and kept for a few tokens of one head
        try:
            memory.madvise(mmap.MADV_NOHUGEPAGE)
        except OSError:  # a kernel without huge pages
            pass
    return torch.frombuffer(memory, dtype=like.dtype).view(*shape)
