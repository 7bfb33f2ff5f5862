"""Named arrays in one file that is mapped into memory, so that weights are neither parsed nor copied."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

WEIGHTS_NAME = "weights.bin"
_LAYOUT_NAME = "layout.json"
_ALIGNMENT = 4096  # memory is mapped in pages


@dataclass(frozen=True)
class Constant:
    """The position of a constant in the file.

    Attributes:
        dtype: name of its dtype in numpy.
        shape: its shape.
        offset: its first byte.
        num_bytes: its size.
    """

    dtype: str
    shape: tuple[int, ...]
    offset: int
    num_bytes: int


class Constants:
    """Named constants. Their content is in memory until it has been written."""

    def __init__(self, entries: Mapping[str, Constant] | None = None) -> None:
        """Start with the constants of a written file, or without any."""
        self._entries = dict(entries or {})
        self._parts: list[bytes] = []
        self._num_bytes = 0

    @classmethod
    def read(cls, folder: Path) -> Constants | None:
        """Return the constants that `write` wrote to a folder; None if they are incomplete."""
        try:
            layout = json.loads((folder / _LAYOUT_NAME).read_text(encoding="utf-8"))
            entries = {
                name: Constant(**{**entry, "shape": tuple(entry["shape"])})
                for name, entry in layout["constants"].items()
            }
            is_complete = (folder / WEIGHTS_NAME).stat().st_size == layout["num_bytes"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return cls(entries) if is_complete else None

    def write(self, folder: Path) -> None:
        """Write the file and its layout."""
        with (folder / WEIGHTS_NAME).open("wb") as file:
            file.writelines(self._parts)
        layout = {
            "num_bytes": self._num_bytes,
            "constants": {name: asdict(entry) for name, entry in self._entries.items()},
        }
        (folder / _LAYOUT_NAME).write_text(json.dumps(layout), encoding="utf-8")

    def arrays(self, folder: Path | None = None) -> dict[str, np.ndarray]:
        """Return the constants by name, from memory or, if a folder is given, from the file written there."""
        if folder is None:
            content = np.frombuffer(b"".join(self._parts), np.uint8)
        else:
            content = np.memmap(folder / WEIGHTS_NAME, np.uint8, "r")
        return {
            name: content[entry.offset : entry.offset + entry.num_bytes].view(entry.dtype).reshape(entry.shape)
            for name, entry in self._entries.items()
        }

    def add(self, name: str, array: np.ndarray) -> None:
        """Append a constant."""
        content = np.ascontiguousarray(array).tobytes()
        self._entries[name] = Constant(array.dtype.name, array.shape, self._num_bytes, len(content))
        self._parts.append(content + bytes(-len(content) % _ALIGNMENT))
        self._num_bytes += len(self._parts[-1])
