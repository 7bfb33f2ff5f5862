"""The processes of a run."""

from __future__ import annotations

from torch import distributed


def num_processes() -> int:
    """Count the processes of this run."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1
