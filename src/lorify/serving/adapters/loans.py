"""The memory of the adapters that requests use, limited for all owners together and for each.

The store's cache drops adapters that were not used lately, but those that a request waits or answers with stay.
"""

from __future__ import annotations

import gc
import math
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Mapping

from lorify.adapters import AdapterStack
from lorify.errors import BusyError, RequestError
from lorify.serving.limits.held_bytes import HeldBytes
from lorify.serving.limits.sharing import owner_limit

COLLECT_SECONDS = 5.0


class AdapterLoans:
    """Counts each adapter of an owner once, however many requests use it. Thread-safe."""

    def __init__(self, max_bytes: int, max_share: float = 1.0) -> None:
        """Start with none in use.

        Args:
            max_bytes: limit on the adapters in use.
            max_share: share of it that one owner may take, 0 to 1.
        """
        self._max_bytes = max_bytes
        self._held = HeldBytes("adapters in use", max_bytes, owner_limit(max_bytes, max_share))
        self._uses: Counter[tuple[str, str]] = Counter()
        self._collected = -math.inf  # when unused stacks were searched for
        self._lock = threading.Lock()
        # A garbage collection can end a loan at any moment, also while the lock is held.
        self._ended: deque[tuple[str, Mapping[str, int]]] = deque()

    def check(self, sizes: Mapping[str, int]) -> None:
        """Refuse a request whose adapters are too large together, before they are loaded.

        Args:
            sizes: id of each adapter and its size in bytes.

        Raises:
            RequestError: if they can never be used together; a single adapter always can.
        """
        total = sum(sizes.values())
        if len(sizes) > 1 and total > self._max_bytes:
            raise RequestError(
                f"the adapters take {total:,} bytes together, the limit is {self._max_bytes:,}; use fewer",
                param="adapters",
            )

    def lend(self, stack: AdapterStack, sizes: Mapping[str, int], owner: str) -> None:
        """Count adapters as in use until their stack is no longer referred to.

        Args:
            stack: the adapters.
            sizes: id of each adapter and its size in bytes.
            owner: who uses them.

        Raises:
            BusyError: if the adapters in use take too much memory.
        """
        try:
            self._begin(owner, sizes)
        except BusyError:
            if not self._collect():
                raise
            self._begin(owner, sizes)
        weakref.finalize(stack, self._end, owner, dict(sizes)).atexit = False

    def _begin(self, owner: str, sizes: Mapping[str, int]) -> None:
        begun: dict[str, int] = {}
        with self._lock:
            self._release_ended()
            try:
                for id, num_bytes in sizes.items():
                    if not self._uses[owner, id]:
                        self._held.hold(owner, num_bytes)
                    self._uses[owner, id] += 1
                    begun[id] = num_bytes
            except BusyError:
                self._release(owner, begun)
                raise

    def _collect(self) -> bool:
        """Free the stacks of ended requests that refer to each other, now and then, as that takes time."""
        now = time.monotonic()
        if now < self._collected + COLLECT_SECONDS:
            return False
        self._collected = now
        gc.collect()
        return True

    def _end(self, owner: str, sizes: Mapping[str, int]) -> None:
        self._ended.append((owner, sizes))
        if self._lock.acquire(blocking=False):  # else they are released when the next loan begins
            try:
                self._release_ended()
            finally:
                self._lock.release()

    def _release_ended(self) -> None:
        while self._ended:
            self._release(*self._ended.popleft())

    def _release(self, owner: str, sizes: Mapping[str, int]) -> None:
        for id, num_bytes in sizes.items():
            self._uses[owner, id] -= 1
            if not self._uses[owner, id]:
                del self._uses[owner, id]
                self._held.release(owner, num_bytes)
