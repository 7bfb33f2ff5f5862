"""The index of a store in SQLite: which adapters there are, and who owns them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lorify.adapters import DocumentRecord, Provenance
from lorify.errors import UnknownAdapterError, first_problem
from lorify.serving.storage.database import damaged_index, open_database
from lorify.serving.storage.errors import store_write_error
from lorify.serving.storage.folders import Ownership

_VISIBLE = """
FROM contents JOIN owners USING (id)
WHERE owner = :owner AND (:base IS NULL OR json_extract(provenance, '$.base_digest') = :base)
"""
_SELECT = f"SELECT id, num_bytes, provenance, created, fidelity, label {_VISIBLE}"


@dataclass(frozen=True)
class StoredAdapter:
    """An adapter as the index describes it to one of its owners.

    Attributes:
        id: hash of its content, in hexadecimal.
        num_bytes: size of its files in bytes.
        provenance: base, hypernetwork and documents; `created` is when this owner's adapter was created.
        fidelity: share of its documents' statements that it reproduces, 0 to 1; None if not measured.
        label: the name that its owner gave it; None if it has none.
    """

    id: str
    num_bytes: int
    provenance: Provenance
    fidelity: float | None
    label: str | None

    @property
    def created(self) -> str:
        """Creation time, ISO form, UTC."""
        return self.provenance.created

    @property
    def documents(self) -> tuple[DocumentRecord, ...]:
        """Its documents, in order."""
        return self.provenance.documents


class AdapterIndex:
    """Adapters and their owners in SQLite. Not thread-safe: the store holds its lock around every call."""

    def __init__(self, path: Path, *, may_create: bool = True) -> None:
        """Open the index for this process alone; create it if it is missing.

        Args:
            path: the file.
            may_create: whether it may be created.

        Raises:
            StoreError: if it is of another version, damaged, open in another process, or missing and may not be
                created.
        """
        self._path = path
        self._connection = open_database(path, may_create=may_create)
        self.base_digest: str | None = None
        """SHA-256 of the base whose adapters are visible; None shows those of all bases."""

    def get(self, id: str, owner: str) -> StoredAdapter:
        """Return one adapter of an owner.

        Raises:
            UnknownAdapterError: if `owner` has no visible adapter `id`.
        """
        found = self._select(f"{_SELECT} AND id = :id", owner, id=id)
        if not found:
            raise UnknownAdapterError(f"there is no adapter {id!r}; list your adapters to see their ids")
        return found[0]

    def list(self, owner: str) -> list[StoredAdapter]:
        """Return all adapters of an owner, oldest first."""
        return self._select(f"{_SELECT} ORDER BY created, owners.rowid", owner)

    def find(
        self,
        hypernetwork_digest: str | None,
        documents: Sequence[tuple[str, str]],
        owner: str,
        bias_scale: float | None = None,
    ) -> StoredAdapter | None:
        """Return the owner's newest adapter of exactly these documents that did not study; None if there is none.

        Args:
            hypernetwork_digest: SHA-256 of the hypernetwork that would generate it.
            documents: (name, SHA-256) of each document, in order.
            owner: whose adapters are searched.
            bias_scale: scale of its bias adapter, as in its provenance.
        """
        source = _source(hypernetwork_digest, documents, bias_scale, is_studied=False)
        found = self._select(f"{_SELECT} AND source = :source ORDER BY created DESC LIMIT 1", owner, source=source)
        return found[0] if found else None

    def add(self, id: str, provenance: Provenance, num_bytes: int, owner: str) -> None:
        """Give an owner an adapter; one that the owner has already stays as it is.

        Args:
            id: id of the adapter.
            provenance: its base, hypernetwork and documents.
            num_bytes: size of its files.
            owner: the new owner.
        """
        documents = [(record.name, record.digest) for record in provenance.documents]
        self._connection.execute(
            "INSERT INTO contents VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                id,
                num_bytes,
                _source(
                    provenance.hypernetwork_digest,
                    documents,
                    provenance.bias_scale,
                    is_studied=provenance.studied_seconds is not None,
                ),
                provenance.model_dump_json(),
            ),
        )
        self._connection.execute(
            "INSERT INTO owners (owner, id, created) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (owner, id, provenance.created),
        )

    def remove(self, id: str, owner: str) -> bool:
        """Take an adapter from an owner.

        Returns:
            Whether it was the last owner, so that the files can go.

        Raises:
            UnknownAdapterError: if `owner` has no visible adapter `id`.
        """
        self.get(id, owner)
        self._connection.execute("DELETE FROM owners WHERE owner = ? AND id = ?", (owner, id))
        unowned = self._connection.execute(
            "DELETE FROM contents WHERE id = ? AND NOT EXISTS (SELECT 1 FROM owners WHERE owners.id = contents.id)",
            (id,),
        )
        return unowned.rowcount > 0

    def set_fidelity(self, id: str, owner: str, fidelity: float) -> None:
        """Record a measured fidelity; do nothing if the owner no longer has the adapter."""
        self._connection.execute("UPDATE owners SET fidelity = ? WHERE owner = ? AND id = ?", (fidelity, owner, id))

    def set_label(self, id: str, owner: str, label: str | None) -> None:
        """Record the name that an owner gives an adapter; None takes it away."""
        self._connection.execute("UPDATE owners SET label = ? WHERE owner = ? AND id = ?", (label, owner, id))

    def ids(self) -> set[str]:
        """Return the ids of all adapters, of all owners and bases."""
        return {id for (id,) in self._read("SELECT id FROM contents")}

    def owners(self, id: str) -> dict[str, Ownership]:
        """Return the owners of an adapter."""
        rows = self._read("SELECT owner, created, fidelity, label FROM owners WHERE id = ?", (id,))
        return {
            owner: Ownership(created=created, fidelity=fidelity, label=label)
            for owner, created, fidelity, label in rows
        }

    def total_bytes(self) -> int:
        """Return the size of all adapters in bytes, each counted for every owner.

        If equal adapters of two owners counted once, an owner could tell from this that another has the same.
        """
        return self._read("SELECT coalesce(sum(num_bytes), 0) FROM contents JOIN owners USING (id)")[0][0]

    def owner_bytes(self, owner: str) -> int:
        """Return the size of an owner's visible adapters in bytes, as `list` shows them."""
        query = f"SELECT coalesce(sum(num_bytes), 0) {_VISIBLE}"
        return self._read(query, {"owner": owner, "base": self.base_digest})[0][0]

    def reuse_space(self) -> None:
        """Let the next change use the space of earlier ones in the log, if SQLite can; for a disk that is full."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Apply all changes of the block to the index, or none if it raises.

        Raises:
            StoreError: if the index cannot be written.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise store_write_error(self._path.parent, error) from error

    def close(self) -> None:
        """Close the database, so that another process may open it."""
        self._connection.close()

    def _select(self, query: str, owner: str, **values: str) -> list[StoredAdapter]:
        rows = self._read(query, {**values, "owner": owner, "base": self.base_digest})
        try:
            return [
                StoredAdapter(
                    id, num_bytes, _with_time(Provenance.model_validate_json(provenance), created), fidelity, label
                )
                for id, num_bytes, provenance, created, fidelity, label in rows
            ]
        except ValidationError as error:
            raise damaged_index(self._path, first_problem(error)) from error

    def _read(self, query: str, values: Mapping[str, str | None] | Sequence[str] = ()) -> list[Any]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise damaged_index(self._path, str(error)) from error


def _source(
    hypernetwork_digest: str | None, documents: Sequence[tuple[str, str]], bias_scale: float | None, *, is_studied: bool
) -> str:
    """Hash of what an adapter is made from: hypernetwork, names and digests of documents, bias scale, and study."""
    parts: list[object] = [hypernetwork_digest, documents]
    if bias_scale is not None:  # older indexes have hashes without it
        parts.append(bias_scale)
    if is_studied:
        parts.append("studied")
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _with_time(provenance: Provenance, created: str) -> Provenance:
    return provenance.model_copy(update={"created": created})
