"""The folder from which a vLLM server reads adapters: PEFT folders, each named by a hash of its adapter.

It is a cache that lorify owns: a deleted adapter is written again when it is needed.
"""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import safetensors
from pydantic import ValidationError
from safetensors import SafetensorError

from lorify.adapters import Adapter, Provenance
from lorify.adapters.exports.peft import PROVENANCE_KEY, WEIGHTS_NAME, export_peft
from lorify.atomic import failure_reason
from lorify.base.model import BaseLM
from lorify.errors import AdapterError, EngineError

NAME_LENGTH = 32

# An adapter, or a partly written or deleted one that a killed process left.
_ENTRY = re.compile(rf"[0-9a-f]{{{NAME_LENGTH}}}|\.[0-9a-f]{{{NAME_LENGTH}}}-[0-9a-f]+")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WrittenAdapter:
    """An adapter in the folder.

    Attributes:
        name: name of its own folder.
        num_bytes: size of its files in bytes.
        modified: Unix time in seconds at which it was written or last loaded.
    """

    name: str
    num_bytes: int
    modified: float


class AdaptersFolder:
    """Adapters as PEFT folders. Only one process at a time may write them."""

    def __init__(self, base: BaseLM, folder: Path) -> None:
        """Use `folder`, which is created when the first adapter is written."""
        self._base = base
        self._folder = folder

    def write(self, name: str, adapter: Adapter, base_name: str) -> Path:
        """Write an adapter unless it is there already.

        Args:
            name: hash of its weights.
            adapter: the adapter.
            base_name: the server's name of the base.

        Returns:
            Its folder.

        Raises:
            EngineError: if it cannot be written.
            AdapterError: if it does not fit the base.
        """
        folder = self._folder / name
        if folder.exists():
            folder.touch()
            return folder
        try:
            export_peft(adapter, self._base, folder, base_name=base_name, probe=False)
        except AdapterError as error:
            if not isinstance(error.__cause__, Exception):
                raise
            _log.error("%s", error)
            raise EngineError(
                f"the adapter cannot be written for vLLM ({failure_reason(error.__cause__)}); ask the server's "
                "administrator to free space or check --adapters-dir"
            ) from error
        return folder

    def written(self) -> list[WrittenAdapter]:
        """Return all adapters in the folder, oldest first."""
        if not self._folder.is_dir():
            return []
        found: list[WrittenAdapter] = []
        for path in self._folder.iterdir():
            if _ENTRY.fullmatch(path.name):
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # being deleted, or not a folder
                    size = sum(part.stat().st_size for part in path.iterdir())
                    found.append(WrittenAdapter(path.name, size, path.stat().st_mtime))
        return sorted(found, key=lambda adapter: adapter.modified)

    def containing(self, documents: Collection[str]) -> set[str]:
        """Return the names of the adapters that contain any of the documents.

        Args:
            documents: SHA-256 of each document's text.
        """
        return {
            adapter.name
            for adapter in self.written()
            if not _documents(self._folder / adapter.name).isdisjoint(documents)
        }

    def remove(self, name: str) -> None:
        """Delete an adapter if it is there."""
        # Renamed first, so that the server never sees a partly deleted folder.
        trash = self._folder / f".{name.strip('.')[:NAME_LENGTH]}-{uuid.uuid4().hex}"
        try:
            (self._folder / name).rename(trash)
        except FileNotFoundError:
            return
        shutil.rmtree(trash, ignore_errors=True)


def _documents(folder: Path) -> set[str]:
    """SHA-256 of each document of an adapter; empty if lorify did not write it."""
    try:
        with safetensors.safe_open(folder / WEIGHTS_NAME, framework="pt") as file:
            provenance = Provenance.model_validate_json((file.metadata() or {})[PROVENANCE_KEY])
    except (OSError, SafetensorError, KeyError, ValidationError):
        return set()
    return {record.digest for record in provenance.documents}
