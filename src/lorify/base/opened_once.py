"""Something that is opened on first use and kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any


class OpenedOnce:
    """Keeps what was opened for a key, until it is asked for another key. Safe to use from several threads."""

    def __init__(self) -> None:
        """Open nothing yet."""
        self._lock = threading.Lock()
        self._entry: tuple[Hashable, Any] | None = None

    def get(self, key: Hashable, opening: Callable[[], Any]) -> Any:
        """Return what is kept for `key`; if there is nothing, call `opening` and keep what it returns."""
        with self._lock:
            if self._entry is None or self._entry[0] != key:
                self._entry = None  # frees the old one before the new one is opened
                self._entry = (key, opening())
            return self._entry[1]
