"""Cache states of the frozen base in a file, so that each text is read once, even if a run is resumed."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lorify.errors import TrainingError

LOCK_TIMEOUT_SECONDS = 60.0
"""Maximum wait while other processes of the run are writing."""


class StateCache:
    """States of the base at one block, in bfloat16, keyed by the token ids of a text.

    Not in float16: the states of some bases, such as Gemma 3, exceed its range.
    """

    def __init__(self, path: Path, source: str) -> None:
        """Open nothing yet.

        Args:
            path: SQLite file, created if missing; its folder must exist when the first states are read.
            source: identifies base and block; states of different ones are stored separately.
        """
        self.path, self.source = path, source

    def states(
        self, texts: Sequence[Sequence[int]], compute: Callable[[Sequence[Sequence[int]]], Sequence[Tensor]]
    ) -> list[Tensor]:
        """Return the states of each text `[T, d]`, bfloat16; missing ones are computed and stored.

        Args:
            texts: token ids of each text.
            compute: computes the states of some texts.

        Raises:
            TrainingError: if the file is damaged or cannot be written.
        """
        keys = [hashlib.sha256(f"{self.source} bfloat16 {list(text)}".encode()).digest() for text in texts]
        try:
            found = {key: self._load(key) for key in keys}
            missing = {key: text for key, text in zip(keys, texts, strict=True) if found[key] is None}
            if missing:
                computed = [states.bfloat16().cpu() for states in compute(list(missing.values()))]
                self._store(new := dict(zip(missing, computed, strict=True)))
                found |= new
        except sqlite3.Error as error:
            raise TrainingError(
                f"states of the base cannot be stored in {self.path} ({error}); free disk space or delete the file, "
                "and run the same command again"
            ) from error
        return [states for key in keys if (states := found[key]) is not None]

    @cached_property
    def _file(self) -> sqlite3.Connection:
        file = sqlite3.connect(self.path, timeout=LOCK_TIMEOUT_SECONDS)
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("PRAGMA synchronous=NORMAL")  # states lost in a power failure are recomputed
        file.execute("CREATE TABLE IF NOT EXISTS states (text BLOB PRIMARY KEY, tokens INTEGER, states BLOB)")
        return file

    def _load(self, key: bytes) -> Tensor | None:
        row = self._file.execute("SELECT tokens, states FROM states WHERE text = ?", (key,)).fetchone()
        if row is None:
            return None
        return torch.from_numpy(np.frombuffer(row[1], np.int16).copy()).view(torch.bfloat16).view(row[0], -1)

    def _store(self, states: dict[bytes, Tensor]) -> None:
        rows = [(key, len(x), x.contiguous().view(torch.int16).numpy().tobytes()) for key, x in states.items()]
        with self._file as file:
            file.executemany("INSERT OR IGNORE INTO states VALUES (?, ?, ?)", rows)
