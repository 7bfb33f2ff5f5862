"""Adapters on disk: an index in SQLite and one folder per adapter. Owners see only their own adapters.

    STORE/index.sqlite      which adapters there are, and who owns them
    STORE/adapters/ID/      an adapter as written by `save_adapter`
    STORE/owners/ID.json    who owns it, a copy of what the index says, from which the index can be rebuilt
    STORE/incoming/         folders being written or deleted; none of them is in the index
    STORE/incoming/ID.unfinished    adapters/ID is being put in place or deleted

The id is a hash of the adapter's content, so equal adapters of several owners are stored once. Owners and creation
times are not part of the hash; the index keeps them for each owner. A store can hold adapters of several bases; a
server shows those of the base it runs.

An adapter is acknowledged once it is in the index, and it gets there only after its folder is in place. A process
killed in between leaves a folder that is marked as unfinished, and the next start deletes it. Other folders that the
index does not know stay: the index may be the wrong one (`lorify store rebuild`). Files are not fsynced, so a power cut
can lose the last seconds of writes; damage is detected when an adapter is loaded.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lorify.adapters import Adapter
from lorify.errors import AdapterError, ContextError, StorageLimitError, StoreError, StoreFullError, UnknownAdapterError
from lorify.serving.storage.adapter_cache import AdapterCache
from lorify.serving.storage.folders import AdapterFolders
from lorify.serving.storage.index import AdapterIndex, StoredAdapter

if TYPE_CHECKING:
    from lorify.contexts.documents import Document

INDEX_NAME = "index.sqlite"

_log = logging.getLogger(__name__)


class AdapterStore:
    """Adapters with their owners on disk, the most recently used ones in memory.

    Thread-safe: files, index and memory change together under one lock. Only one process may have a store open at once.
    """

    def __init__(self, folder: Path, max_disk_bytes: int, max_memory_bytes: int) -> None:
        """Open a store, create it if it is missing, and delete unfinished work of a killed process.

        Args:
            folder: the store's own folder; missing parents are created.
            max_disk_bytes: limit on the size of all adapters; equal adapters of several owners count for each.
            max_memory_bytes: limit on the adapters kept in memory; the least recently used are dropped first.

        Raises:
            StoreError: if the folder cannot be written, is of another version, damaged, without an index although it
                holds adapters, or open in another process.
        """
        self.folder = folder
        self.max_owner_bytes: int | None = None
        """Limit on the visible adapters of one owner; None if only the limit on all counts."""
        self.attach_weights: Callable[[Adapter], Adapter] = lambda adapter: adapter
        """Gives each adapter that is read its weights."""
        self._max_disk_bytes = max_disk_bytes
        self._cache = AdapterCache(max_memory_bytes)
        self._damaged: set[str] = set()
        self._lock = threading.RLock()  # guards the index, the cache and moves in and out of adapters/
        # In the background: whether files had to go depends on what other owners have, and takes time.
        self._remover = ThreadPoolExecutor(1, thread_name_prefix="lorify-remover")
        try:
            self._folders = AdapterFolders(folder)
            self._index = AdapterIndex(folder / INDEX_NAME, may_create=not self._folders.present())
            try:
                self._recover()
            except BaseException:
                self._index.close()
                raise
        except OSError as error:
            raise StoreError(
                f"store {folder} cannot be written ({error.strerror or error}); give a writable folder"
            ) from error

    def show_only(self, base_digest: str) -> None:
        """Hide adapters of other bases from now on; they stay on disk."""
        with self._lock:
            self._index.base_digest = base_digest

    def put(self, adapter: Adapter, owner: str) -> StoredAdapter:
        """Store an adapter; once this returns, it survives a crash of the process.

        An adapter that the owner has already keeps its creation time, label and fidelity.

        Args:
            adapter: the adapter.
            owner: its owner.

        Raises:
            StorageLimitError: if the owner's adapters exceed `max_owner_bytes`.
            StoreFullError: if it exceeds `max_disk_bytes`, or the disk is full.
            StoreError: if it cannot be written.
        """
        return self._keep(adapter, owner, replaces=None)

    def replace(self, id: str, adapter: Adapter, owner: str) -> StoredAdapter:
        """Store `adapter` and delete `id` in one step: after a crash exactly one of the two is there.

        Args:
            id: adapter to delete.
            adapter: adapter to store.
            owner: owner of both.

        Returns:
            The new adapter, which has its own id.

        Raises:
            UnknownAdapterError: if `owner` has no adapter `id`.
            StorageLimitError: if the owner's adapters exceed `max_owner_bytes`; `id` is kept.
            StoreFullError: if it exceeds `max_disk_bytes`, or the disk is full; `id` is kept.
            StoreError: if it cannot be written; `id` is kept.
        """
        self.describe(id, owner)
        return self._keep(adapter, owner, replaces=id)

    def get(self, id: str, owner: str) -> Adapter:
        """Return an adapter, from memory or from disk.

        Raises:
            UnknownAdapterError: if `owner` has no adapter `id`.
            StoreError: if its files are damaged.
        """
        with self._lock:
            stored = self.describe(id, owner)
            adapter = self._cache.get(id)
        if adapter is None:
            adapter = self._load(id, owner)
        made_by = adapter.provenance  # another hypernetwork than in the index, if that one has been replaced
        if made_by.hypernetwork_digest == stored.provenance.hypernetwork_digest:
            return replace(adapter, provenance=stored.provenance)
        changes = {
            "hypernetwork": made_by.hypernetwork,
            "hypernetwork_digest": made_by.hypernetwork_digest,
            "fidelity": None,
        }
        return replace(adapter, provenance=stored.provenance.model_copy(update=changes))

    def describe(self, id: str, owner: str) -> StoredAdapter:
        """Return the index entry of an adapter.

        Raises:
            UnknownAdapterError: if `owner` has no adapter `id`.
        """
        with self._lock:
            return self._index.get(id, owner)

    def list(self, owner: str) -> list[StoredAdapter]:
        """Return all adapters of `owner`, oldest first."""
        with self._lock:
            return self._index.list(owner)

    def find(
        self, hypernetwork_digest: str, documents: Sequence[Document], owner: str, bias_scale: float | None = None
    ) -> StoredAdapter | None:
        """Find the owner's adapter of exactly these documents, without study, so that it need not be generated again.

        Only the owner's own adapters are searched: a fast reply would reveal who else has uploaded a document.

        Args:
            hypernetwork_digest: SHA-256 of the hypernetwork that would generate it.
            documents: its documents, in order; names count.
            owner: whose adapters are searched.
            bias_scale: scale of its bias adapter, as in its provenance.

        Returns:
            None if there is none, or if its files are known to be damaged and have to be written again.
        """
        with self._lock:
            described = [(document.name, document.digest) for document in documents]
            found = self._index.find(hypernetwork_digest, described, owner, bias_scale)
        return found if found and found.id not in self._damaged else None

    def check_room(self, owner: str) -> None:
        """Refuse an owner who has no room for another adapter, before one is generated.

        Raises:
            StorageLimitError: if the owner's adapters have reached `max_owner_bytes`.
        """
        with self._lock:
            if self.max_owner_bytes is not None and self._index.owner_bytes(owner) >= self.max_owner_bytes:
                raise self._owner_full(owner)

    def set_fidelity(self, id: str, owner: str, fidelity: float) -> None:
        """Record a measured fidelity; do nothing if the adapter has been deleted meanwhile."""
        with self._lock:
            with self._index.transaction():
                self._index.set_fidelity(id, owner, fidelity)
            self._record_owners(id)

    def set_label(self, id: str, owner: str, label: str | None) -> StoredAdapter:
        """Record the name that an owner gives an adapter; None takes it away.

        Raises:
            UnknownAdapterError: if `owner` has no adapter `id`.
        """
        with self._lock:
            self._index.get(id, owner)
            with self._index.transaction():
                self._index.set_label(id, owner, label)
            self._record_owners(id)
            return self._index.get(id, owner)

    def delete(self, id: str, owner: str) -> None:
        """Take an adapter from its owner; its files are deleted with the last owner.

        Raises:
            UnknownAdapterError: if `owner` has no adapter `id`.
        """
        with self._lock:
            try:
                self._delete(id, owner)
            except StoreFullError:
                # Nothing can be written, not even to the index: use what its log holds, or delete the files first.
                self._index.reuse_space()
                if self._index.owners(id).keys() == {owner} and (trash := self._folders.take_out(id)) is not None:
                    shutil.rmtree(trash, ignore_errors=True)
                self._delete(id, owner)

    @property
    def num_bytes(self) -> int:
        """Size of all adapters in bytes, each counted for every owner."""
        with self._lock:
            return self._index.total_bytes()

    def close(self) -> None:
        """Close the index, so that another process may open the store."""
        self._remover.shutdown()
        with self._lock:
            self._index.close()

    def _recover(self) -> None:
        known = self._index.ids()
        self._folders.recover(known)
        unknown = self._folders.present() - known
        if unknown:
            _log.warning(
                "%d adapter folders in %s are not in its index and are not used; `lorify store rebuild` adds them",
                len(unknown),
                self.folder,
            )
        for id in known:
            if not self._folders.owners_path(id).exists():
                self._record_owners(id)

    def _record_owners(self, id: str) -> None:
        self._folders.write_owners(id, self._index.owners(id))

    def _delete(self, id: str, owner: str) -> None:
        try:
            with self._index.transaction():
                is_unowned = self._index.remove(id, owner)
                if is_unowned:
                    self._folders.mark(id)
        except StoreError:
            self._folders.unmark(id)
            raise
        self._record_owners(id)
        if is_unowned:
            self._take_out(id)

    def _keep(self, adapter: Adapter, owner: str, replaces: str | None) -> StoredAdapter:
        incoming = self._folders.new_incoming()
        try:
            # The slow part runs without the lock, so that other threads can read.
            id, num_bytes = self._folders.save(adapter, incoming)
            with self._lock:
                is_unowned = self._add(adapter, id, num_bytes, incoming, owner, replaces)
                self._folders.unmark(id)
                self._cache.put(id, adapter)
                for changed in (id, replaces):
                    if changed is not None:
                        self._record_owners(changed)
                if is_unowned and replaces is not None:
                    self._take_out(replaces)
                return self.describe(id, owner)
        finally:
            self._remove(incoming)

    def _add(self, adapter: Adapter, id: str, num_bytes: int, incoming: Path, owner: str, replaces: str | None) -> bool:
        """Put an adapter in place and into the index; return whether `replaces` has no owner any more."""
        is_moved = is_unowned = False
        label = None if replaces is None else self._index.get(replaces, owner).label
        try:
            with self._index.transaction():
                if replaces is not None and replaces != id:
                    is_unowned = self._index.remove(replaces, owner)
                    if is_unowned:
                        self._folders.mark(replaces)
                self._index.add(id, adapter.provenance, num_bytes, owner)
                if label is not None:
                    self._index.set_label(id, owner, label)
                self._check_size(num_bytes, owner)
                # The folder moves before the commit: a kill between the two leaves an orphan, not a loss.
                is_moved = self._folders.put_in_place(incoming, id, replaces_damaged=id in self._damaged)
        except BaseException:
            if is_moved:
                self._take_out(id)
            else:
                self._folders.unmark(id)
            if is_unowned and replaces is not None:
                self._folders.unmark(replaces)
            raise
        if is_moved:
            self._damaged.discard(id)
        return is_unowned

    def _check_size(self, num_bytes: int, owner: str) -> None:
        """Raise within the transaction that adds an adapter, which takes the addition back."""
        if self.max_owner_bytes is not None and self._index.owner_bytes(owner) > self.max_owner_bytes:
            raise self._owner_full(owner, num_bytes)
        if self._index.total_bytes() > self._max_disk_bytes:
            raise StoreFullError(
                f"an adapter of {num_bytes:,} bytes does not fit: the store may hold {self._max_disk_bytes:,} bytes in "
                "all; delete adapters or raise the store's limit"
            )

    def _owner_full(self, owner: str, added_bytes: int = 0) -> StorageLimitError:
        used = self._index.owner_bytes(owner) - added_bytes
        problem = f"and another one of {added_bytes:,} bytes does not fit" if added_bytes else "so there is no room"
        return StorageLimitError(
            f"your adapters take {used:,} of the {self.max_owner_bytes:,} bytes that a key may store "
            f"(max_key_disk_bytes), {problem}; delete some with DELETE /v1/adapters/ID"
        )

    def _take_out(self, id: str) -> None:
        """Delete the files of an adapter."""
        self._cache.drop(id)
        trash = self._folders.take_out(id)
        if trash is not None:
            self._folders.unmark(id)
            self._remove(trash)

    def _remove(self, folder: Path) -> None:
        self._remover.submit(shutil.rmtree, folder, ignore_errors=True)

    def _load(self, id: str, owner: str) -> Adapter:
        try:
            adapter = self._folders.load(id)
        except AdapterError as error:
            self.describe(id, owner)  # raises if the adapter was deleted while it was being read
            _log.error("%s", error)
            self._damaged.add(id)
            raise StoreError(f"adapter {id!r} is damaged on disk; post its documents again") from error
        try:
            adapter = self.attach_weights(adapter)
        except (AdapterError, ContextError) as error:
            raise StoreError(f"adapter {id!r} cannot be used: {error}; post its documents again") from error
        with self._lock:
            try:
                self._index.get(id, owner)
            except UnknownAdapterError:
                return adapter  # deleted meanwhile: not worth caching
            self._cache.put(id, adapter)
        return adapter
