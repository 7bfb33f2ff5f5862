"""Adapters on disk: an index in SQLite beside one folder per adapter, each adapter seen by its owners alone.

    STORE/index.sqlite      what there is, and who owns it
    STORE/adapters/ID/      an adapter as `save_adapter` writes it; every folder here is in the index
    STORE/incoming/         adapters on their way in or out; nothing here is in the index

The id is a hash of all that makes an adapter what it is, so that equal adapters of several owners are stored once. It
says nothing of owners and times: those are kept for each owner. Several bases may be served from one store, one after
the other; adapters of the others stay in it unseen.

An adapter is acknowledged when it is in the index, and it is in the index only after its folder is in place. A process
killed in between leaves a folder that nobody was promised, which the next start removes. A power cut may take the last
seconds with it, as data is not forced to the disk; damage it does is noticed when the adapter is read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lorify import atomic
from lorify.adapters import Adapter, DocumentRecord, Provenance, load_adapter, save_adapter
from lorify.adapters.storage import RECORD_NAME
from lorify.errors import AdapterError, StoreError, StoreFullError, UnknownAdapterError
from lorify.serving.storage.adapter_cache import AdapterCache

if TYPE_CHECKING:
    from lorify.contexts.documents import Document

SCHEMA_VERSION = 1
ID_LENGTH = 32
LOCK_TIMEOUT_SECONDS = 1.0

_SCHEMA = f"""
BEGIN;
CREATE TABLE contents (
    id TEXT PRIMARY KEY, num_bytes INTEGER NOT NULL, source TEXT NOT NULL, provenance TEXT NOT NULL
);
CREATE TABLE owners (
    owner TEXT NOT NULL, id TEXT NOT NULL REFERENCES contents (id), created TEXT NOT NULL, fidelity REAL,
    PRIMARY KEY (owner, id)
);
CREATE INDEX owners_of_content ON owners (id);
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
_SELECT = """
SELECT id, num_bytes, provenance, created, fidelity FROM contents JOIN owners USING (id)
WHERE owner = :owner AND (:base IS NULL OR json_extract(provenance, '$.base_digest') = :base)
"""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredAdapter:
    """What the index says about an adapter to one of its owners.

    Attributes:
        id: hash of its content, in hexadecimal.
        num_bytes: size of its files in bytes.
        provenance: base, hypernetwork and documents; `created` is when this owner's adapter was made.
        fidelity: how well it stands in for its documents, as measured by the owner; None if it was not measured.
    """

    id: str
    num_bytes: int
    provenance: Provenance
    fidelity: float | None

    @property
    def created(self) -> str:
        """Time it was made, ISO form, UTC."""
        return self.provenance.created

    @property
    def documents(self) -> tuple[DocumentRecord, ...]:
        """Documents in it, in order."""
        return self.provenance.documents


class AdapterStore:
    """Adapters kept on disk for their owners, the last used ones in memory.

    Safe to use from several threads; one process at a time may have it open.
    """

    def __init__(self, folder: Path, max_disk_bytes: int, max_memory_bytes: int) -> None:
        """Open a store, make it if it is missing, and remove what a killed process left behind.

        Args:
            folder: the store's own folder; missing parents are made.
            max_disk_bytes: adapters beyond this total size are refused. Equal adapters of several owners count once.
            max_memory_bytes: adapters kept in memory, the least recently used go first.

        Raises:
            StoreError: if the folder cannot be written, is of another version, damaged, or open elsewhere.
        """
        self.folder = folder
        self._max_disk_bytes = max_disk_bytes
        self._base_digest: str | None = None
        self._loaded = AdapterCache(max_memory_bytes)
        self._damaged: set[str] = set()
        self._lock = threading.RLock()
        self._adapters_dir = folder / "adapters"
        self._incoming_dir = folder / "incoming"
        try:
            self._adapters_dir.mkdir(parents=True, exist_ok=True)
            self._incoming_dir.mkdir(exist_ok=True)
            self._index = _open_index(folder / "index.sqlite")
            try:
                self._remove_orphans()
            except BaseException:
                self._index.close()
                raise
        except OSError as error:
            raise StoreError(
                f"store {folder} cannot be written ({error.strerror or error}); give a folder where you may write"
            ) from error

    def show_only(self, base_digest: str) -> None:
        """From now on have adapters of one base alone; those of others stay on disk, for when their base is served."""
        self._base_digest = base_digest

    def put(self, adapter: Adapter, owner: str, *, fidelity: float | None = None) -> StoredAdapter:
        """Keep an adapter; when this returns it outlives the process.

        An owner who has it already keeps it as it is, with the new `fidelity` if there is one.

        Raises:
            StoreFullError: if it does not fit within `max_disk_bytes`, or on the disk.
            StoreError: if it cannot be written.
        """
        return self._keep(adapter, owner, fidelity, instead_of=None)

    def replace(self, id: str, adapter: Adapter, owner: str, *, fidelity: float | None = None) -> StoredAdapter:
        """Keep `adapter` and give up `id` in one step: a process killed on the way leaves the one or the other.

        Returns:
            The new adapter, which has an id of its own.

        Raises:
            UnknownAdapterError: if `owner` has no adapter `id`.
            StoreFullError: if it does not fit within `max_disk_bytes`, or on the disk; `id` is kept.
            StoreError: if it cannot be written; `id` is kept.
        """
        self.describe(id, owner)
        return self._keep(adapter, owner, fidelity, instead_of=id)

    def get(self, id: str, owner: str) -> Adapter:
        """The adapter, from memory or from disk.

        Raises:
            UnknownAdapterError: if `owner` has no adapter `id`.
            StoreError: if its files are damaged.
        """
        with self._lock:
            stored = self.describe(id, owner)
            adapter = self._loaded.get(id)
        if adapter is None:
            adapter = self._load(id, owner)
        return replace(adapter, provenance=stored.provenance)

    def describe(self, id: str, owner: str) -> StoredAdapter:
        """What the index says about one adapter.

        Raises:
            UnknownAdapterError: if `owner` has no adapter `id`.
        """
        found = self._select(f"{_SELECT} AND id = :id", owner, id=id)
        if not found:
            raise UnknownAdapterError(f"there is no adapter {id!r}; list yours to see their ids")
        return found[0]

    def list(self, owner: str) -> list[StoredAdapter]:
        """All adapters of `owner`, the oldest first."""
        return self._select(f"{_SELECT} ORDER BY created, owners.rowid", owner)

    def find(self, hypernetwork_digest: str, documents: Sequence[Document], owner: str) -> StoredAdapter | None:
        """The adapter that `owner` has of just these documents or this task, so that it need not be made again.

        Only the owner's own adapters are looked at: a quick answer would tell who else has read a document.

        Args:
            hypernetwork_digest: SHA-256 of the hypernetwork that would make it.
            documents: its documents, in order; names count.
            owner: whose adapters are searched.

        Returns:
            None if there is none, or it was found damaged, so that it is made and put again.
        """
        source = _source(hypernetwork_digest, [(document.name, document.digest) for document in documents])
        found = self._select(f"{_SELECT} AND source = :source ORDER BY created DESC LIMIT 1", owner, source=source)
        return found[0] if found and found[0].id not in self._damaged else None

    def set_fidelity(self, id: str, owner: str, fidelity: float) -> None:
        """Keep what an owner has measured; nothing happens if the adapter is gone by now."""
        with self._lock, self._transaction():
            self._index.execute("UPDATE owners SET fidelity = ? WHERE owner = ? AND id = ?", (fidelity, owner, id))

    def delete(self, id: str, owner: str) -> None:
        """Give up an adapter; its files go with its last owner.

        Raises:
            UnknownAdapterError: if `owner` has no adapter `id`.
        """
        with self._lock:
            with self._transaction():
                unowned = self._disown(id, owner)
            trash = self._take_out(id) if unowned else None
        if trash is not None:
            shutil.rmtree(trash, ignore_errors=True)

    @property
    def num_bytes(self) -> int:
        """Size of all adapters on disk in bytes."""
        with self._lock:
            return self._index.execute("SELECT coalesce(sum(num_bytes), 0) FROM contents").fetchone()[0]

    def close(self) -> None:
        """Close the index, so that another process may open the store."""
        with self._lock:
            self._index.close()

    def _keep(self, adapter: Adapter, owner: str, fidelity: float | None, instead_of: str | None) -> StoredAdapter:
        incoming = self._incoming_dir / uuid.uuid4().hex
        trash = None
        try:
            # The slow part, without the lock: others read on.
            self._save(adapter, incoming)
            id = _content_id(incoming)
            num_bytes = sum(path.stat().st_size for path in incoming.iterdir())
            with self._lock:
                with self._transaction():
                    unowned = instead_of is not None and instead_of != id and self._disown(instead_of, owner)
                    self._own(id, adapter.provenance, num_bytes, owner, fidelity)
                    self._check_size(id)
                    # In place before it is in the index: a kill between the two leaves an orphan, not a loss.
                    self._put_in_place(incoming, id)
                self._loaded.put(id, adapter)
                if unowned and instead_of is not None:
                    trash = self._take_out(instead_of)
                return self.describe(id, owner)
        finally:
            for leftover in (incoming, trash):
                if leftover is not None:
                    shutil.rmtree(leftover, ignore_errors=True)

    def _save(self, adapter: Adapter, incoming: Path) -> None:
        try:
            save_adapter(adapter, incoming)
        except AdapterError as error:
            raise self._write_error(error.__cause__ or error) from error

    def _write_error(self, error: BaseException) -> StoreError:
        """What clients are told; where the store is they need not know."""
        _log.error("store %s cannot be written: %s", self.folder, error)
        reason = atomic.failure_reason(error)
        kind = StoreFullError if reason == atomic.DISK_FULL else StoreError
        return kind(f"the store cannot be written ({reason}); have whoever runs the server make room or mend it")

    def _own(self, id: str, provenance: Provenance, num_bytes: int, owner: str, fidelity: float | None) -> None:
        documents = [(record.name, record.digest) for record in provenance.documents]
        self._index.execute(
            "INSERT INTO contents VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (id, num_bytes, _source(provenance.hypernetwork_digest, documents), provenance.model_dump_json()),
        )
        self._index.execute(
            "INSERT INTO owners VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET fidelity = coalesce(excluded.fidelity, fidelity)",
            (owner, id, provenance.created, fidelity),
        )

    def _disown(self, id: str, owner: str) -> bool:
        """Take an adapter from its owner; True if nobody has it any more."""
        self.describe(id, owner)
        self._index.execute("DELETE FROM owners WHERE owner = ? AND id = ?", (owner, id))
        unowned = self._index.execute(
            "DELETE FROM contents WHERE id = ? AND NOT EXISTS (SELECT 1 FROM owners WHERE owners.id = contents.id)",
            (id,),
        )
        return unowned.rowcount > 0

    def _check_size(self, id: str) -> None:
        """Called within the transaction that adds `id`, which it takes back."""
        if self.num_bytes > self._max_disk_bytes:
            (size,) = self._index.execute("SELECT num_bytes FROM contents WHERE id = ?", (id,)).fetchone()
            raise StoreFullError(
                f"an adapter of {size:,} bytes does not fit: the store may hold {self._max_disk_bytes:,} bytes in all; "
                "delete adapters or give the store more room"
            )

    def _put_in_place(self, incoming: Path, id: str) -> None:
        folder = self._adapters_dir / id
        if folder.exists():
            try:
                load_adapter(folder)
                return
            except AdapterError:
                # Damaged on disk, and here is the same adapter whole.
                shutil.rmtree(folder, ignore_errors=True)
        try:
            incoming.rename(folder)
        except OSError as error:
            raise self._write_error(error) from error
        self._damaged.discard(id)

    def _take_out(self, id: str) -> Path | None:
        """Move the folder of an adapter out of the way; the path to remove, None if there was none."""
        self._loaded.drop(id)
        trash = self._incoming_dir / uuid.uuid4().hex
        try:
            return (self._adapters_dir / id).rename(trash)
        except OSError:  # the index no longer has it, so the next start removes what is there
            return None

    def _load(self, id: str, owner: str) -> Adapter:
        try:
            adapter = load_adapter(self._adapters_dir / id)
        except AdapterError as error:
            self.describe(id, owner)  # says so if it was deleted while it was read
            _log.error("%s", error)
            self._damaged.add(id)
            raise StoreError(f"adapter {id!r} is damaged on disk; post its documents again") from error
        with self._lock:
            if self._select(f"{_SELECT} AND id = :id", owner, id=id):
                self._loaded.put(id, adapter)
        return adapter

    def _select(self, query: str, owner: str, **values: str) -> list[StoredAdapter]:
        with self._lock:
            rows = self._index.execute(query, {**values, "owner": owner, "base": self._base_digest}).fetchall()
        return [
            StoredAdapter(id, num_bytes, _with_time(Provenance.model_validate_json(provenance), created), fidelity)
            for id, num_bytes, provenance, created, fidelity in rows
        ]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of the block's changes to the index or none."""
        try:
            self._index.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._index.execute("COMMIT")
            except BaseException:
                if self._index.in_transaction:
                    self._index.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._write_error(error) from error

    def _remove_orphans(self) -> None:
        known = {id for (id,) in self._index.execute("SELECT id FROM contents")}
        orphans = [path for path in self._adapters_dir.iterdir() if path.name not in known]
        for path in (*orphans, *self._incoming_dir.iterdir()):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _open_index(path: Path) -> sqlite3.Connection:
    """Open the index for this process alone, with its tables."""
    index = sqlite3.connect(path, timeout=LOCK_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        # A second process would take the first one's adapters on their way in for orphans.
        index.execute("PRAGMA locking_mode = EXCLUSIVE")
        index.execute("PRAGMA journal_mode = WAL")
        index.execute("PRAGMA synchronous = NORMAL")
        index.execute("PRAGMA foreign_keys = ON")
        (version,) = index.execute("PRAGMA user_version").fetchone()
        if version not in (0, SCHEMA_VERSION):
            raise StoreError(
                f"store {path.parent} has version {version}, expected {SCHEMA_VERSION}; update lorify or give a new "
                "folder"
            )
        if version == 0:
            index.executescript(_SCHEMA)
    except sqlite3.OperationalError as error:
        index.close()
        raise StoreError(
            f"store {path.parent} cannot be opened ({error}); if another process serves it, stop that or give "
            "another folder"
        ) from error
    except sqlite3.DatabaseError as error:
        index.close()
        raise StoreError(f"{path} is damaged or no index of a store ({error}); give another folder") from error
    except StoreError:
        index.close()
        raise
    return index


def _content_id(folder: Path) -> str:
    """Hash of a saved adapter: of all that its record says (which has the digests of its tensors) but when."""
    record = json.loads((folder / RECORD_NAME).read_text(encoding="utf-8"))
    for name in ("created", "lorify_version"):
        del record["provenance"][name]
    return _sha256(record)[:ID_LENGTH]


def _source(hypernetwork_digest: str | None, documents: Sequence[tuple[str, str]]) -> str:
    return _sha256([hypernetwork_digest, documents])


def _sha256(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _with_time(provenance: Provenance, created: str) -> Provenance:
    return provenance.model_copy(update={"created": created})
