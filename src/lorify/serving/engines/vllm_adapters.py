"""Adapters on a vLLM server: written where it can read them, loaded by name, unloaded by least recent use.

vLLM applies one adapter per request, without a scale, and multiplies all of it by `lora_alpha / r` of its config. So
each stack of adapters is folded into one adapter of one rank, with scalings and scales multiplied into `B`. Its folder
is named by a hash of its weights and holds vLLM's own name of the base, so vLLM's file-system resolver can find
adapters in it, also on nodes that never got a request to load them.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Collection, Coroutine
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from lorify.adapters import Adapter, AdapterStack, LoraPair
from lorify.adapters.merging import merge_adapters
from lorify.base.model import BaseLM
from lorify.errors import ServingError
from lorify.serving.engines.vllm_folder import NAME_LENGTH, AdaptersFolder

MAX_LOAD_SECONDS = 3600.0
"""Upper bound on the time that an answer waits for its adapter to be folded, written and loaded."""

_log = logging.getLogger(__name__)


def fold(stack: AdapterStack, base: BaseLM) -> Adapter | None:
    """Fold a stack into one adapter of one rank whose `lora_alpha / r` is 1.

    Returns:
        The adapter in the base's dtype, as it would run here; None for the bare base.
    """
    if stack.is_empty:
        return None
    adapter = merge_adapters(stack.parts)
    rank = adapter.rank

    def padded(A: Tensor, B: Tensor, scaling: float) -> LoraPair:
        missing = rank - len(A)
        B = (B.float() * scaling).to(base.dtype)
        return LoraPair(F.pad(A.to(base.dtype), (0, 0, 0, missing)), F.pad(B, (0, missing)))

    weights = {key: padded(pair.A, pair.B, adapter.scaling(key)) for key, pair in adapter.weights.items()}
    return Adapter(weights, float(rank), adapter.provenance)


def content_name(adapter: Adapter) -> str:
    """Return the hash of an adapter's weights."""
    digest = hashlib.sha256(str(adapter.lora_alpha).encode())
    for key in sorted(adapter.weights):
        pair = adapter.weights[key]
        for tensor in (pair.A, pair.B):
            digest.update(f"{key} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:NAME_LENGTH]


class LoadedAdapters:
    """The adapters that are loaded on a vLLM server and written for it; used from one event loop."""

    def __init__(
        self,
        base: BaseLM,
        folder: Path,
        *,
        max_loaded: int,
        max_bytes: int,
        load: Callable[[str, Path], Awaitable[None]],
        unload: Callable[[str], Awaitable[None]],
    ) -> None:
        """Start with none loaded.

        Args:
            base: the base, which is also the server's.
            folder: where adapters are written; the server reads them under the same path.
            max_loaded: limit on loaded adapters; those in use may exceed it.
            max_bytes: limit on the size of written adapters; those in use may exceed it.
            load: makes the server load an adapter, given its name and folder.
            unload: makes the server unload an adapter, given its name.
        """
        self._base = base
        self._folder = AdaptersFolder(base, folder)
        self._max_loaded = max_loaded
        self._max_bytes = max_bytes
        self._load = load
        self._unload = unload
        self._users: Counter[str] = Counter()  # answers that use each adapter; those in use stay loaded and written
        self._loaded: OrderedDict[str, None] = OrderedDict()  # least recently used first
        self._deleted: dict[str, float] = {}  # digest of a document -> when it was deleted
        self._unwanted: set[str] = set()  # adapters to remove once they are not in use
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def acquire(self, stack: AdapterStack, base_name: str, *, once: bool = False) -> str | None:
        """Make sure that a stack of adapters is loaded as one adapter; `release` it afterwards.

        Args:
            stack: the adapters of a prompt.
            base_name: the server's name of the base.
            once: whether to remove the adapter when it is released, as it is unlikely to be used again.

        Returns:
            Name of the adapter on the server; None for an empty stack.

        Raises:
            EngineError: if it cannot be written or loaded.
            AdapterError: if it does not fit the base.
        """
        arrived = time.monotonic()
        adapter = await asyncio.to_thread(fold, stack, self._base)
        if adapter is None:
            return None
        name = await asyncio.to_thread(content_name, adapter)
        self._users[name] += 1
        try:
            async with self._changing:
                documents = adapter.provenance.documents
                if once or any(self._deleted.get(record.digest, 0.0) >= arrived for record in documents):
                    self._unwanted.add(name)
                if name not in self._loaded:
                    await self._make_room(name, adapter.num_bytes)
                    folder = await asyncio.to_thread(self._folder.write, name, adapter, base_name)
                    await self._load(name, folder)
                self._loaded[name] = None
                self._loaded.move_to_end(name)
                await self._unload_idle()
        except BaseException:
            self.release(name)
            raise
        return name

    def release(self, name: str | None) -> None:
        """End one use of an adapter."""
        if name is None:
            return
        self._users[name] -= 1
        if not self._users[name]:
            del self._users[name]
            if name in self._unwanted:
                self._start(self._remove_unwanted())

    def lose(self, name: str | None) -> None:
        """Note that the server does not have an adapter; the next `acquire` loads it again."""
        if name is not None:
            self._loaded.pop(name, None)

    def forget(self, documents: Collection[str]) -> None:
        """Start removing all adapters that contain deleted documents; those in use are removed when released.

        Args:
            documents: SHA-256 of each document's text.
        """
        now = time.monotonic()
        recent = {digest: when for digest, when in self._deleted.items() if when > now - MAX_LOAD_SECONDS}
        self._deleted = recent | dict.fromkeys(documents, now)
        self._start(self._remove_containing(documents))

    async def settle(self) -> None:
        """Wait for the removals that have started."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _make_room(self, name: str, num_bytes: int) -> None:
        """Remove adapters until one more can be written: unloaded ones first, oldest first; none in use."""
        written = await asyncio.to_thread(self._folder.written)
        total = sum(other.num_bytes for other in written)
        if all(other.name != name for other in written):
            total += num_bytes
        positions = {other: position for position, other in enumerate(self._loaded, start=1)}
        for other in sorted(written, key=lambda other: positions.get(other.name, 0)):
            if total > self._max_bytes and other.name not in self._users:
                if other.name in self._loaded:
                    await self._unload_one(other.name)
                await self._remove(other.name)
                total -= other.num_bytes

    async def _unload_idle(self) -> None:
        idle = [name for name in self._loaded if name not in self._users]
        for name in idle[: max(0, len(self._loaded) - self._max_loaded)]:
            await self._unload_one(name)

    async def _remove_containing(self, documents: Collection[str]) -> None:
        async with self._changing:
            self._unwanted |= await asyncio.to_thread(self._folder.containing, documents)
        await self._remove_unwanted()

    async def _remove_unwanted(self) -> None:
        async with self._changing:
            for name in self._unwanted - self._users.keys():
                self._unwanted.discard(name)
                await self._unload_one(name)  # the server may have it from before this process started
                await self._remove(name)

    async def _remove(self, name: str) -> None:
        try:
            await asyncio.to_thread(self._folder.remove, name)
        except OSError as error:
            _log.warning("adapter folder %s cannot be deleted: %s", name, error)

    async def _unload_one(self, name: str) -> None:
        self.lose(name)
        try:
            await self._unload(name)
        except ServingError as error:  # not fatal: the server evicts adapters by itself
            _log.warning("vLLM did not unload adapter %s: %s", name, error)
