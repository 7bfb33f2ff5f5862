"""Memory goes back to the system."""

import ctypes
from pathlib import Path

import pytest

from lorify.serving.limits.memory import release_free_memory

STATUS_PATH = Path("/proc/self/status")
NUM_BLOCKS, BLOCK_BYTES = 2000, 100_000


def resident_bytes() -> int:
    return int(STATUS_PATH.read_text().split("VmRSS:")[1].split()[0]) * 1024


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs glibc")
def test_memory_that_is_free_goes_back_to_the_system() -> None:
    blocks = [b"x" * BLOCK_BYTES for _ in range(NUM_BLOCKS)]
    kept = blocks[::50]
    before = resident_bytes()
    blocks.clear()
    release_free_memory()
    assert len(kept) == NUM_BLOCKS // 50
    assert before - resident_bytes() > NUM_BLOCKS * BLOCK_BYTES / 2
