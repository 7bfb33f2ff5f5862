"""Numba's compiler, with a separate cache for each version of the sources.

Numba reuses a compiled function until the function's own file changes. Functions that it calls from other files are
compiled into it, so the cache is keyed by the content of all files of this package.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import config

from lorify.base.cache import cache_dir

_settings: Any = config
_SOURCES = Path(__file__).parent


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called, or load it from the cache. It runs without the interpreter's lock.

    Sums may be computed in any order, as vector instructions require.

    Raises:
        RuntimeError: if no folder for the cache can be written.
    """
    chosen = _settings.CACHE_DIR
    try:
        _settings.CACHE_DIR = chosen or str(_cache_folder())
        return njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})(function)
    finally:
        _settings.CACHE_DIR = chosen


def _cache_folder() -> Path:
    """The folder next to the sources, or in the user's cache if that is not writable."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_SOURCES.glob("*.py")))).hexdigest()[:16]
    beside = _SOURCES / "__pycache__"
    parent = beside if os.access(beside if beside.is_dir() else _SOURCES, os.W_OK) else cache_dir() / "compiled"
    return parent / digest
