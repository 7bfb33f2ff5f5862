"""The constants of a graph in one file, which ONNX Runtime maps into memory: weights are neither parsed nor copied."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

WEIGHTS_NAME = "weights.bin"
_LAYOUT_NAME = "layout.json"
_ALIGNMENT = 4096  # memory is mapped by pages


@dataclass(frozen=True)
class Constant:
    """Where a constant is in the file.

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
    """Named constants. The content is in memory until it has been written."""

    def __init__(self, entries: Mapping[str, Constant] | None = None) -> None:
        """Start with the constants of a written file, or without any."""
        self._entries = dict(entries or {})
        self._parts: list[bytes] = []
        self._num_bytes = 0

    @classmethod
    def read(cls, folder: Path) -> Constants | None:
        """Return the constants that `write` wrote into a folder; None if they are not complete."""
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

    @property
    def content(self) -> bytes:
        """The content of the file, of constants that were not read from one."""
        return b"".join(self._parts)

    def __contains__(self, name: str) -> bool:
        """Return whether there is a constant of this name."""
        return name in self._entries

    def __getitem__(self, name: str) -> Constant:
        """Return a constant by its name."""
        return self._entries[name]

    def add(self, name: str, values: Tensor | np.ndarray) -> None:
        """Append a constant; tensors are stored in float32."""
        array = values.detach().float().cpu().numpy() if isinstance(values, Tensor) else values
        content = np.ascontiguousarray(array).tobytes()
        self._entries[name] = Constant(array.dtype.name, array.shape, self._num_bytes, len(content))
        self._parts.append(content + bytes(-len(content) % _ALIGNMENT))
        self._num_bytes += len(self._parts[-1])
