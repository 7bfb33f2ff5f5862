"""Adapters for a vLLM server: written where it can read them, loaded by name, unloaded by least recent use.

vLLM takes one adapter a request, without a scale, and multiplies all of it by `lora_alpha / r` of its config. So what a
prompt is answered with is folded into one adapter of one rank, with scalings and scales in `B`. Its folder is named by
its content and says vLLM's own name of the base: vLLM's file-system resolver, pointed at the folder of all, finds
adapters by itself, on nodes that were never told to load them too.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from lorify.adapters import Adapter, AdapterRow, LoraPair
from lorify.adapters.merging import merge_adapters
from lorify.adapters.peft_format import export_peft
from lorify.base.model import BaseModel

NAME_LENGTH = 32
ALLOWED_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM takes as `--max-lora-rank`; its default is 16."""


def fold(row: AdapterRow, base: BaseModel) -> Adapter | None:
    """One adapter of one rank whose `lora_alpha / r` is 1, equal to an adapter or a sum of scaled ones.

    Returns:
        The adapter in the base's dtype, as it would run here; None for the bare base.
    """
    if row is None:
        return None
    adapter = merge_adapters([(row, 1.0)] if isinstance(row, Adapter) else row)
    rank = adapter.rank

    def padded(A: Tensor, B: Tensor, scaling: float) -> LoraPair:
        missing = rank - len(A)
        B = (B.float() * scaling).to(base.dtype)
        return LoraPair(F.pad(A.to(base.dtype), (0, 0, 0, missing)), F.pad(B, (0, missing)))

    weights = {key: padded(pair.A, pair.B, adapter.scaling(key)) for key, pair in adapter.weights.items()}
    return Adapter(weights, float(rank), adapter.provenance)


def needed_rank(adapter: Adapter) -> int:
    """The least `--max-lora-rank` that lets a vLLM server take adapters like this one."""
    return next((rank for rank in ALLOWED_RANKS if rank >= adapter.rank), adapter.rank)


def content_name(adapter: Adapter) -> str:
    """Hash of an adapter's weights."""
    digest = hashlib.sha256(str(adapter.lora_alpha).encode())
    for key in sorted(adapter.weights):
        pair = adapter.weights[key]
        for tensor in (pair.A, pair.B):
            digest.update(f"{key} {tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:NAME_LENGTH]


class LoadedAdapters:
    """Which adapters a vLLM server has; used from one event loop."""

    def __init__(
        self,
        base: BaseModel,
        folder: Path,
        max_loaded: int,
        load: Callable[[str, Path], Awaitable[None]],
        unload: Callable[[str], Awaitable[None]],
    ) -> None:
        """Start with none loaded.

        Args:
            base: the base here, which is that of the server.
            folder: where adapters are written; the server reads them under the same path.
            max_loaded: most adapters that are loaded at a time, as far as they are not in use.
            load: makes the server load an adapter.
            unload: makes it forget one.
        """
        self._base = base
        self._folder = folder
        self._max_loaded = max_loaded
        self._load = load
        self._unload = unload
        self._users: OrderedDict[str, int] = OrderedDict()  # by name, the least recently used first
        self._changing = asyncio.Lock()

    async def acquire(self, row: AdapterRow, base_name: str) -> str | None:
        """Have what a prompt is answered with loaded; its name, None for the bare base. `release` it afterwards."""
        adapter = await asyncio.to_thread(fold, row, self._base)
        if adapter is None:
            return None
        name = await asyncio.to_thread(content_name, adapter)
        async with self._changing:
            if name not in self._users:
                folder = self._folder / name
                if not folder.exists():
                    await asyncio.to_thread(export_peft, adapter, self._base, folder, base_name=base_name)
                await self._load(name, folder)
                self._users[name] = 0
            self._users[name] += 1
            self._users.move_to_end(name)
            await self._make_room()
        return name

    def release(self, name: str | None) -> None:
        """An answer has ended."""
        if name in self._users:
            self._users[name] -= 1

    def forget(self) -> None:
        """The server has begun anew, or lost what it had."""
        self._users.clear()

    async def _make_room(self) -> None:
        idle = [name for name, users in self._users.items() if users <= 0]
        for name in idle[: max(0, len(self._users) - self._max_loaded)]:
            await self._unload(name)
            del self._users[name]
