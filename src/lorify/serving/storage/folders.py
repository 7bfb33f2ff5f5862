"""Adapter folders of a store: written aside, moved into place, moved out and deleted."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Collection
from pathlib import Path

from lorify.adapters import Adapter, load_adapter, save_adapter
from lorify.adapters.storage import RECORD_NAME
from lorify.errors import AdapterError
from lorify.serving.storage.errors import store_write_error

ID_LENGTH = 32


class AdapterFolders:
    """`adapters/ID` for each adapter of a store, and `incoming/` for folders that are not in the index.

    Every move is one rename within the store, so a folder in `adapters/` is always complete.
    """

    def __init__(self, store_dir: Path) -> None:
        """Create the two folders if they are missing.

        Raises:
            OSError: if they cannot be created.
        """
        self._store_dir = store_dir
        self._adapters_dir = store_dir / "adapters"
        self._incoming_dir = store_dir / "incoming"
        self._adapters_dir.mkdir(parents=True, exist_ok=True)
        self._incoming_dir.mkdir(exist_ok=True)

    def new_incoming(self) -> Path:
        """Return a path in `incoming/` that nothing else uses."""
        return self._incoming_dir / uuid.uuid4().hex

    def save(self, adapter: Adapter, incoming: Path) -> tuple[str, int]:
        """Write an adapter to a folder in `incoming/`.

        Returns:
            The adapter's id and the size of its files in bytes.

        Raises:
            StoreFullError: if the disk is full.
            StoreError: if it cannot be written for another reason.
        """
        try:
            save_adapter(adapter, incoming)
        except AdapterError as error:
            raise store_write_error(self._store_dir, error.__cause__ or error) from error
        return _content_id(incoming), sum(path.stat().st_size for path in incoming.iterdir())

    def put_in_place(self, incoming: Path, id: str) -> bool:
        """Move a folder from `incoming/` to `adapters/`; an intact folder that is there already stays.

        Returns:
            Whether it was moved.

        Raises:
            StoreFullError: if the disk is full.
            StoreError: if it cannot be moved for another reason.
        """
        folder = self._adapters_dir / id
        if folder.exists():
            try:
                load_adapter(folder)
                return False
            except AdapterError:
                # Damaged on disk; the incoming folder holds the same adapter intact.
                shutil.rmtree(folder, ignore_errors=True)
        try:
            incoming.rename(folder)
        except OSError as error:
            raise store_write_error(self._store_dir, error) from error
        return True

    def take_out(self, id: str) -> Path | None:
        """Move an adapter's folder to `incoming/`, from where it can be deleted.

        Returns:
            Its new path; None if it could not be moved.
        """
        trash = self.new_incoming()
        try:
            return (self._adapters_dir / id).rename(trash)
        except OSError:  # it is no longer in the index, so the next start removes whatever is there
            return None

    def load(self, id: str) -> Adapter:
        """Read an adapter.

        Raises:
            AdapterError: if its folder is missing or damaged.
        """
        return load_adapter(self._adapters_dir / id)

    def remove_orphans(self, known: Collection[str]) -> None:
        """Delete what a killed process left behind: everything in `incoming/`, and adapters that are not in `known`.

        Raises:
            OSError: if something cannot be deleted.
        """
        orphans = [path for path in self._adapters_dir.iterdir() if path.name not in known]
        for path in (*orphans, *self._incoming_dir.iterdir()):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _content_id(folder: Path) -> str:
    """Hash of a saved adapter's record, which holds the digests of its tensors; time and version are left out."""
    record = json.loads((folder / RECORD_NAME).read_text(encoding="utf-8"))
    for name in ("created", "lorify_version"):
        del record["provenance"][name]
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:ID_LENGTH]
