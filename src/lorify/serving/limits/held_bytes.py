"""Memory that requests hold, with limits on all of it and on each owner's part."""

from __future__ import annotations

from collections import Counter

from lorify.errors import BusyError
from lorify.serving.limits.workers import RETRY_SECONDS


class HeldBytes:
    """Bytes held by owners. Not thread-safe."""

    def __init__(self, kind: str, max_bytes: int, max_owner_bytes: int) -> None:
        """Start empty.

        Args:
            kind: what takes the memory, for error messages: `requests`.
            max_bytes: limit on all of it.
            max_owner_bytes: limit on that of one owner.
        """
        self._kind = kind
        self._max_bytes = max_bytes
        self._max_owner_bytes = max_owner_bytes
        self._held: Counter[str] = Counter()

    def hold(self, owner: str, num_bytes: int) -> None:
        """Count bytes.

        Raises:
            BusyError: if they exceed a limit; something that is alone always fits.
        """
        own, total = self._held[owner], self._held.total()
        if (total and total + num_bytes > self._max_bytes) or (own and own + num_bytes > self._max_owner_bytes):
            whose = "your" if own else "other"
            raise BusyError(
                f"{whose} {self._kind} take {own or total:,} bytes; try again in {RETRY_SECONDS} s", RETRY_SECONDS
            )
        self._held[owner] += num_bytes

    def release(self, owner: str, num_bytes: int) -> None:
        """Stop counting bytes."""
        self._held[owner] -= num_bytes
        if not self._held[owner]:
            del self._held[owner]
