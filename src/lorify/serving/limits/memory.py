"""Memory that is free but still counts as the process's."""

from __future__ import annotations

import ctypes


def release_free_memory() -> None:
    """Return free memory to the system, where the C library can (glibc).

    glibc keeps what was freed between blocks that are in use, so a burst of large requests would count for good.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return
    trim(0)
