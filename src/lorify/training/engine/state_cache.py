"""States of the frozen base, kept in a file: a text is read once, also by a run that is resumed."""

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

WAIT_SECONDS = 60.0
"""For other processes of the run that write at the moment."""


class RememberedStates:
    """The base's states at one block, by the tokens of a text, in float16."""

    def __init__(self, path: Path, of: str) -> None:
        """Nothing is opened before it is needed.

        Args:
            path: SQLite file, made if it is missing; its folder has to be there when the first states are asked for.
            of: whose states they are; those of another base or block are kept apart.
        """
        self.path, self.of = path, of

    def states(
        self, texts: Sequence[Sequence[int]], compute: Callable[[Sequence[Sequence[int]]], Sequence[Tensor]]
    ) -> list[Tensor]:
        """States of each text `[T, d]`, float16; of those not met before from `compute`.

        Raises:
            TrainingError: if the file is damaged or cannot be written.
        """
        keys = [hashlib.sha256(f"{self.of} {list(text)}".encode()).digest() for text in texts]
        try:
            found = {key: self._load(key) for key in keys}
            missing = {key: text for key, text in zip(keys, texts, strict=True) if found[key] is None}
            if missing:
                computed = [states.half().cpu() for states in compute(list(missing.values()))]
                self._keep(new := dict(zip(missing, computed, strict=True)))
                found |= new
        except sqlite3.Error as error:
            raise TrainingError(
                f"states of the base cannot be kept in {self.path} ({error}); make room or delete the file, and the "
                "same command goes on"
            ) from error
        return [states for key in keys if (states := found[key]) is not None]

    @cached_property
    def _file(self) -> sqlite3.Connection:
        file = sqlite3.connect(self.path, timeout=WAIT_SECONDS)
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("PRAGMA synchronous=NORMAL")  # what is lost with the power is computed again
        file.execute("CREATE TABLE IF NOT EXISTS states (text BLOB PRIMARY KEY, tokens INTEGER, states BLOB)")
        return file

    def _load(self, key: bytes) -> Tensor | None:
        row = self._file.execute("SELECT tokens, states FROM states WHERE text = ?", (key,)).fetchone()
        return None if row is None else torch.from_numpy(np.frombuffer(row[1], np.float16).copy()).view(row[0], -1)

    def _keep(self, states: dict[bytes, Tensor]) -> None:
        rows = [(key, len(x), x.contiguous().numpy().tobytes()) for key, x in states.items()]
        with self._file as file:
            file.executemany("INSERT OR IGNORE INTO states VALUES (?, ?, ?)", rows)
