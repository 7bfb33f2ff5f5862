"""The interface of export formats: write an adapter, or the adapter of a part of a document."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from lorify.errors import AdapterError

if TYPE_CHECKING:
    from lorify.adapters.adapter import Adapter
    from lorify.base.model import BaseLM


class Exporter(ABC):
    """Writes adapters in one format.

    Attributes:
        part_files: names of the files in the folder that `export_part` writes; empty if it writes a file.
    """

    part_files: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def export(self, adapter: Adapter, base: BaseLM, path: Path, *, probe: bool = True) -> None:
        """Write an adapter and read it back to check it.

        Args:
            adapter: the adapter.
            base: the base it is for.
            path: folder or file to write; an existing one is replaced atomically.
            probe: also run a probe prompt with the library that the format is for, if that takes at most about a
                second.

        Raises:
            AdapterError: if the adapter cannot be written in this format, or `path` cannot be written.
        """

    def export_part(self, adapter: Adapter, base: BaseLM, path: Path, *, probe: bool = True) -> None:
        """Write one of a document's adapters, which share a model card; by default like `export`."""
        self.export(adapter, base, path, probe=probe)

    def describe_loading(self, base_name: str, ranks: Collection[int]) -> str:
        """Describe for a model card how other programs load the parts of a document.

        Args:
            base_name: name of the base to load them with.
            ranks: the distinct ranks of all pairs.

        Returns:
            Items of a Markdown list, each with a line break at its end; empty by default.
        """
        del base_name, ranks
        return ""


def different_export(format: str) -> AdapterError:
    """Return the error to raise if reading an export back gives a different adapter."""
    return AdapterError(
        f"the {format} export does not read back as the same adapter (does it contain NaN or infinite values?); make "
        "the adapter again"
    )
