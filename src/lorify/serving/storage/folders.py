"""Adapter folders of a store: written aside, moved into place, moved out and deleted."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import uuid
from collections.abc import Collection, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from lorify.adapters import Adapter, load_adapter, save_adapter
from lorify.adapters.storage import RECORD_NAME
from lorify.atomic import replaced_file
from lorify.errors import AdapterError
from lorify.serving.storage.errors import store_write_error

ID_LENGTH = 32
_ID = re.compile(rf"[0-9a-f]{{{ID_LENGTH}}}")
_MARKER = re.compile(rf"({_ID.pattern})\.unfinished")
_TEMPORARY = re.compile(rf"\.{_ID.pattern}-[0-9a-f]{{32}}")

_log = logging.getLogger(__name__)


class Ownership(BaseModel):
    """What the index knows about an adapter of one owner."""

    model_config = ConfigDict(frozen=True)

    created: str
    fidelity: float | None = None
    label: str | None = None


_OWNERS = TypeAdapter(dict[str, Ownership])


class AdapterFolders:
    """`adapters/ID` for each adapter of a store, `incoming/` for folders that are not in the index, and `owners/`.

    Every move is one rename within the store, so a folder in `adapters/` is always complete.
    """

    def __init__(self, store_dir: Path) -> None:
        """Create the folders if they are missing.

        Raises:
            OSError: if they cannot be created.
        """
        self._store_dir = store_dir
        self._adapters_dir = store_dir / "adapters"
        self._incoming_dir = store_dir / "incoming"
        self._owners_dir = store_dir / "owners"
        self._adapters_dir.mkdir(parents=True, exist_ok=True)
        for folder in (self._incoming_dir, self._owners_dir):
            folder.mkdir(exist_ok=True)

    def new_incoming(self) -> Path:
        """Return a path in `incoming/` that nothing else uses."""
        return self._incoming_dir / uuid.uuid4().hex

    def save(self, adapter: Adapter, incoming: Path) -> tuple[str, int]:
        """Write an adapter to a folder in `incoming/`.

        Args:
            adapter: the adapter.
            incoming: new folder in `incoming/`.

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
        return content_id(incoming), folder_bytes(incoming)

    def put_in_place(self, incoming: Path, id: str, *, replaces_damaged: bool) -> bool:
        """Move a folder from `incoming/` to `adapters/`; one that is there already stays unless it is damaged.

        It is not read to find out, as that takes time: an owner could tell that another has the same adapter.

        Args:
            incoming: folder that `save` wrote.
            id: id of the adapter.
            replaces_damaged: replace a folder that is there already.

        Returns:
            Whether it was moved.

        Raises:
            StoreFullError: if the disk is full.
            StoreError: if it cannot be moved for another reason.
        """
        folder = self._adapters_dir / id
        is_taken = os.path.lexists(folder)  # also by a link to nothing
        if is_taken and not replaces_damaged:
            return False
        try:
            if is_taken:
                _delete(folder)
            self._marker(id).touch()
            incoming.rename(folder)
        except OSError as error:
            self.unmark(id)
            raise store_write_error(self._store_dir, error) from error
        return True

    def mark(self, id: str) -> None:
        """Note that a folder in `adapters/` is about to be deleted; it is then gone after a kill too."""
        with contextlib.suppress(OSError):  # the disk can be full
            self._marker(id).touch()

    def unmark(self, id: str) -> None:
        """Take back `mark`, or the note that `put_in_place` leaves until the index has the adapter."""
        self._marker(id).unlink(missing_ok=True)

    def take_out(self, id: str) -> Path | None:
        """Move an adapter's folder to `incoming/`, from where it can be deleted.

        Returns:
            Its new path; None if it could not be moved.
        """
        trash = self.new_incoming()
        try:
            return (self._adapters_dir / id).rename(trash)
        except OSError:  # it is no longer in the index and marked, so the next start removes whatever is there
            return None

    def load(self, id: str) -> Adapter:
        """Read an adapter.

        Raises:
            AdapterError: if its folder is missing or damaged.
        """
        return load_adapter(self._adapters_dir / id)

    def present(self) -> set[str]:
        """Return the ids of the folders in `adapters/`."""
        return {path.name for path in self._adapters_dir.iterdir() if _ID.fullmatch(path.name)}

    def recover(self, known: Collection[str]) -> None:
        """Delete what a killed process left behind, and nothing that lorify did not write or was not to be deleted.

        Args:
            known: ids in the index. Other folders in `adapters/` go only if they are marked.

        Raises:
            OSError: if something cannot be deleted.
        """
        for path in self._incoming_dir.iterdir():
            if (marked := _MARKER.fullmatch(path.name)) is not None:
                if marked[1] not in known:
                    _delete(self._adapters_dir / marked[1])
                    self.owners_path(marked[1]).unlink(missing_ok=True)
                path.unlink()
            elif _ID.fullmatch(path.name) or _TEMPORARY.fullmatch(path.name):
                _delete(path)

    def owners_path(self, id: str) -> Path:
        """Return the file that says whose an adapter is."""
        return self._owners_dir / f"{id}.json"

    def write_owners(self, id: str, owners: Mapping[str, Ownership]) -> None:
        """Write whose an adapter is, for a rebuild of the index; if that fails, only the log says so."""
        path = self.owners_path(id)
        try:
            if not owners:
                path.unlink(missing_ok=True)
                return
            with replaced_file(path) as temporary:
                temporary.write_bytes(_OWNERS.dump_json(dict(owners), indent=1))
        except OSError as error:
            _log.warning("%s cannot be written (%s); it is needed only to rebuild the index", path, error.strerror)

    def read_owners(self, id: str) -> dict[str, Ownership]:
        """Read whose an adapter is; empty if that is unknown."""
        try:
            return _OWNERS.validate_json(self.owners_path(id).read_bytes())
        except (OSError, ValidationError):
            return {}

    def _marker(self, id: str) -> Path:
        return self._incoming_dir / f"{id}.unfinished"


def content_id(folder: Path) -> str:
    """Return the hash of a saved adapter's record, which holds the digests of the tensors.

    Time, version and estimate do not count: they differ between adapters that are equal.
    """
    record = json.loads((folder / RECORD_NAME).read_text(encoding="utf-8"))
    for name in ("created", "lorify_version"):
        del record["provenance"][name]
    record["provenance"].pop("follows", None)  # earlier versions did not record it
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:ID_LENGTH]


def folder_bytes(folder: Path) -> int:
    """Return the size of a saved adapter's files in bytes."""
    return sum(path.stat().st_size for path in folder.iterdir())


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
