"""Rebuild the index of a store from its adapter folders, and from the copies of the records of their owners."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from lorify.adapters import Provenance
from lorify.errors import AdapterError, StoreError
from lorify.serving.storage.folders import AdapterFolders, Ownership, content_id, folder_bytes
from lorify.serving.storage.index import AdapterIndex
from lorify.serving.storage.store import INDEX_NAME, AdapterStore

_COMPANIONS = ("", "-wal", "-shm")
"""Files that belong to an SQLite database, by what follows its name."""


@dataclass
class Rebuilt:
    """The result of a rebuild.

    Attributes:
        num_adapters: adapters that the new index has.
        without_owner: ids of intact folders whose owner is not recorded; they are not in the index.
        damaged: ids of folders that are damaged; they are not in the index.
        old_index: where the old index was moved, None if there was none.
    """

    num_adapters: int = 0
    without_owner: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    old_index: Path | None = None


def rebuild_index(store_dir: Path, owner: str | None) -> Rebuilt:
    """Rebuild the index of a store. No folder is changed, and the old index is kept beside the new one.

    Args:
        store_dir: the store's folder.
        owner: gets the adapters whose owner is not recorded; None leaves them out.

    Raises:
        StoreError: if it is not a store, cannot be written, or another process has it open.
    """
    if not (store_dir / "adapters").is_dir():
        raise StoreError(f"{store_dir} is not a store: it has no folder `adapters`; give the folder of `serve --store`")
    path = store_dir / INDEX_NAME
    _refuse_if_open(path)
    with contextlib.suppress(StoreError):  # an index that can be read knows owners that no file names yet
        AdapterStore(store_dir, 1, 0).close()
    new_path = store_dir / f"{INDEX_NAME}.new"
    try:
        _unlink(new_path)
        rebuilt = _fill(new_path, AdapterFolders(store_dir), store_dir / "adapters", owner)
        rebuilt.old_index = _set_aside(path)
        new_path.rename(path)
    except OSError as error:
        raise StoreError(f"store {store_dir} cannot be written ({error.strerror}); check its permissions") from error
    return rebuilt


def _fill(path: Path, folders: AdapterFolders, adapters_dir: Path, owner: str | None) -> Rebuilt:
    """Write an index of all intact folders."""
    rebuilt = Rebuilt()
    index = AdapterIndex(path)
    try:
        with index.transaction():
            for id in sorted(folders.present()):
                provenance = _intact_provenance(folders, adapters_dir / id)
                if provenance is None:
                    rebuilt.damaged.append(id)
                    continue
                owners = folders.read_owners(id)
                if not owners and owner is not None:
                    owners = {owner: Ownership(created=provenance.created)}
                for name, own in owners.items():
                    dated = provenance.model_copy(update={"created": own.created})
                    index.add(id, dated, folder_bytes(adapters_dir / id), name)
                    if own.fidelity is not None:
                        index.set_fidelity(id, name, own.fidelity)
                    index.set_label(id, name, own.label)
                rebuilt.num_adapters += bool(owners)
                if not owners:
                    rebuilt.without_owner.append(id)
    finally:
        index.close()
    return rebuilt


def _intact_provenance(folders: AdapterFolders, folder: Path) -> Provenance | None:
    """Return the provenance of an adapter; None if it is damaged or not the one that its name says."""
    try:
        provenance = folders.load(folder.name).provenance
        return provenance if content_id(folder) == folder.name else None
    except AdapterError:
        return None


def _refuse_if_open(path: Path) -> None:
    if not path.exists():
        return
    connection = sqlite3.connect(path, timeout=0)
    try:
        connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise StoreError(f"store {path.parent} is open in another process; stop that process first") from error
    except sqlite3.DatabaseError:
        pass  # damaged, which is why it is rebuilt
    finally:
        connection.close()


def _set_aside(path: Path) -> Path | None:
    """Move an index and the files that belong to it out of the way."""
    if not path.exists():
        return None
    number = 1
    while (old := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    for suffix in _COMPANIONS:
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(old.with_name(old.name + suffix))
    return old


def _unlink(path: Path) -> None:
    for suffix in _COMPANIONS:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
