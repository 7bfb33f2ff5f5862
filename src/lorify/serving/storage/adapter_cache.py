"""The most recently used adapters of a store, in memory."""

from __future__ import annotations

from collections import OrderedDict

from lorify.adapters import Adapter


class AdapterCache:
    """Adapters by id, within a size; the least recently used are dropped first. Not thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        """Start empty; an adapter larger than `max_bytes` is never kept."""
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._adapters: OrderedDict[str, Adapter] = OrderedDict()

    def get(self, id: str) -> Adapter | None:
        """Return an adapter and mark it as used; None if it is not cached."""
        adapter = self._adapters.get(id)
        if adapter is not None:
            self._adapters.move_to_end(id)
        return adapter

    def put(self, id: str, adapter: Adapter) -> None:
        """Cache an adapter and drop others until all fit."""
        self.drop(id)
        num_bytes = _memory_bytes(adapter)
        if num_bytes > self._max_bytes:
            return
        self._adapters[id] = adapter
        self._num_bytes += num_bytes
        while self._num_bytes > self._max_bytes:
            self.drop(next(iter(self._adapters)))

    def drop(self, id: str) -> None:
        """Drop an adapter if it is cached."""
        adapter = self._adapters.pop(id, None)
        if adapter is not None:
            self._num_bytes -= _memory_bytes(adapter)


def _memory_bytes(adapter: Adapter) -> int:
    return adapter.num_bytes + adapter.statistics_bytes
