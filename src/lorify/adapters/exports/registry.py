"""Registry of the formats to which adapters can be exported.

To add a format, write a module with an `Exporter`, and add an entry here.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from lorify.adapters.exports.exporter import Exporter
from lorify.errors import AdapterError


@dataclass(frozen=True)
class ExportFormat:
    """An export format.

    Attributes:
        description: what it writes and for which program, in a few words.
        suffix: suffix of the file that it writes, such as `.gguf`; None if it writes a folder.
        exporter_class: its `Exporter` as `module:class`. It is imported on first use, so the command line can list the
            formats without loading torch.
    """

    description: str
    suffix: str | None
    exporter_class: str

    @property
    def exporter(self) -> Exporter:
        """The exporter that writes this format."""
        module, _, name = self.exporter_class.partition(":")
        exporter = getattr(import_module(module), name)()
        assert isinstance(exporter, Exporter), f"{self.exporter_class} is not an Exporter"
        return exporter

    def is_part(self, path: Path) -> bool:
        """Return whether `path` is an exported part in this format: a file, or a folder with only a part's files."""
        if self.suffix is not None:
            return path.suffix == self.suffix and path.is_file()
        return path.is_dir() and {file.name for file in path.iterdir()} <= self.exporter.part_files


DEFAULT_EXPORT = "peft"
EXPORTS: dict[str, ExportFormat] = {
    DEFAULT_EXPORT: ExportFormat("a folder for PEFT", None, "lorify.adapters.exports.peft:PeftExporter"),
    "gguf": ExportFormat("a file for llama.cpp", ".gguf", "lorify.adapters.exports.gguf:GgufExporter"),
}
"""Maps the names on the command line to the formats."""


def find_export(name: str) -> ExportFormat:
    """Return the format with this name.

    Raises:
        AdapterError: if there is no such format.
    """
    if name not in EXPORTS:
        raise AdapterError(f"export format {name!r} is not known; choose from {', '.join(EXPORTS)}")
    return EXPORTS[name]
