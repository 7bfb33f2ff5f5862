"""Registry of the formats to which adapters can be exported.

To add a format, write a module with a function like `export_peft`, and add an entry here.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from lorify.errors import AdapterError

if TYPE_CHECKING:
    from lorify.adapters.adapter import Adapter
    from lorify.base.model import BaseLM


class Exporter(Protocol):
    """A function that writes an adapter in one format."""

    def __call__(self, adapter: Adapter, base: BaseLM, path: Path, *, probe: bool = True) -> None:
        """Write an adapter and read it back to check it.

        Args:
            adapter: the adapter.
            base: the base it is for.
            path: folder or file to write; an existing one is replaced atomically.
            probe: also run a probe prompt in the library that the format is for, if that takes no more than about a
                second.

        Raises:
            AdapterError: if the adapter cannot be written in this format, or `path` cannot be written.
        """
        ...


@dataclass(frozen=True)
class ExportFormat:
    """An export format.

    Attributes:
        description: what it writes and for which program, in a few words.
        suffix: suffix of the file that it writes, such as `.gguf`; None if it writes a folder.
        exporter: the `Exporter` as `module:function`. It is imported on first use, so the command line can list the
            formats without loading torch.
    """

    description: str
    suffix: str | None
    exporter: str

    def export(self, adapter: Adapter, base: BaseLM, path: Path, *, probe: bool = True) -> None:
        """Write an adapter; see `Exporter`."""
        module, _, function = self.exporter.partition(":")
        exporter = cast(Exporter, getattr(import_module(module), function))
        exporter(adapter, base, path, probe=probe)


DEFAULT_EXPORT = "peft"
EXPORTS: dict[str, ExportFormat] = {
    DEFAULT_EXPORT: ExportFormat("a folder for PEFT", None, "lorify.adapters.exports.peft:export_peft"),
    "gguf": ExportFormat("a file for llama.cpp", ".gguf", "lorify.adapters.exports.gguf:export_gguf"),
}
"""Maps the names on the command line to the formats."""


def find_export(name: str) -> ExportFormat:
    """Return the format with a name.

    Raises:
        AdapterError: if there is no format of this name.
    """
    if name not in EXPORTS:
        raise AdapterError(f"export format {name!r} is not known; choose from {', '.join(EXPORTS)}")
    return EXPORTS[name]
