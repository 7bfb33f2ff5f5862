"""The folder that a vLLM server reads adapters from: one PEFT folder for each, named by its content, within a size.

The folder is lorify's own. What is removed is written again when it is needed.
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

# An adapter, or what a killed process left of one on its way in or out.
_ENTRY = re.compile(rf"[0-9a-f]{{{NAME_LENGTH}}}|\.[0-9a-f]{{{NAME_LENGTH}}}-[0-9a-f]+")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WrittenAdapter:
    """An adapter in the folder.

    Attributes:
        name: name of its own folder.
        num_bytes: size of its files in bytes.
        modified: when it was written or loaded last, in seconds.
    """

    name: str
    num_bytes: int
    modified: float


class AdaptersFolder:
    """Adapters as PEFT folders; one process at a time writes them."""

    def __init__(self, base: BaseLM, folder: Path) -> None:
        """Take a folder, which is made when the first adapter is written."""
        self._base = base
        self._folder = folder

    def write(self, name: str, adapter: Adapter, base_name: str) -> Path:
        """Write an adapter unless it is there.

        Args:
            name: hash of its content.
            adapter: the adapter.
            base_name: what the server calls the base.

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
                f"the adapter cannot be written for vLLM ({failure_reason(error.__cause__)}); free space "
                "or check --adapters-dir"
            ) from error
        return folder

    def written(self) -> list[WrittenAdapter]:
        """All that is there, the oldest first."""
        if not self._folder.is_dir():
            return []
        found: list[WrittenAdapter] = []
        for path in self._folder.iterdir():
            if _ENTRY.fullmatch(path.name):
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # on its way in or out, or no adapter
                    size = sum(part.stat().st_size for part in path.iterdir())
                    found.append(WrittenAdapter(path.name, size, path.stat().st_mtime))
        return sorted(found, key=lambda adapter: adapter.modified)

    def made_from(self, documents: Collection[str]) -> set[str]:
        """Names of those that any of the documents, given by the SHA-256 of their texts, went into."""
        return {
            adapter.name
            for adapter in self.written()
            if not _documents(self._folder / adapter.name).isdisjoint(documents)
        }

    def remove(self, name: str) -> None:
        """Remove an adapter, if it is there."""
        # Out of the way first: a server must not find half of it.
        trash = self._folder / f".{name.strip('.')[:NAME_LENGTH]}-{uuid.uuid4().hex}"
        try:
            (self._folder / name).rename(trash)
        except FileNotFoundError:
            return
        shutil.rmtree(trash, ignore_errors=True)


def _documents(folder: Path) -> set[str]:
    """SHA-256 of the documents in an adapter; none if it is none of ours."""
    try:
        with safetensors.safe_open(folder / WEIGHTS_NAME, framework="pt") as file:
            provenance = Provenance.model_validate_json((file.metadata() or {})[PROVENANCE_KEY])
    except (OSError, SafetensorError, KeyError, ValidationError):
        return set()
    return {record.digest for record in provenance.documents}
