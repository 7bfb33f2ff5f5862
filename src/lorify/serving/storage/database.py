"""The SQLite file of a store's index: opened for one process alone, checked, and its tables created."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from lorify.errors import StoreError

SCHEMA_VERSION = 1
LOCK_TIMEOUT_SECONDS = 1.0

_SCHEMA = f"""
BEGIN;
CREATE TABLE contents (
    id TEXT PRIMARY KEY, num_bytes INTEGER NOT NULL, source TEXT NOT NULL, provenance TEXT NOT NULL
);
CREATE TABLE owners (
    owner TEXT NOT NULL, id TEXT NOT NULL REFERENCES contents (id), created TEXT NOT NULL, fidelity REAL,
    label TEXT,
    PRIMARY KEY (owner, id)
);
CREATE INDEX owners_of_content ON owners (id);
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""


def open_database(path: Path, *, may_create: bool) -> sqlite3.Connection:
    """Open the index of a store; create it if it is missing or empty.

    Args:
        path: the file.
        may_create: whether an index may be created; not if there are adapters, which it would not know.

    Raises:
        StoreError: if it is of another version or program, damaged, missing, or open in another process.
    """
    if not may_create and not path.exists():
        raise _lost_index(path)
    try:
        connection = sqlite3.connect(path, timeout=LOCK_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            _prepare(connection, path, may_create=may_create)
        except BaseException:
            connection.close()
            raise
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"store {path.parent} cannot be opened ({error}); if another process serves it, stop that process or give "
            "another folder"
        ) from error
    except sqlite3.DatabaseError as error:
        raise damaged_index(path, str(error)) from error
    return connection


def damaged_index(path: Path, reason: str) -> StoreError:
    """Build the error for an index that cannot be read."""
    return StoreError(
        f"{path} is damaged or not the index of a store ({reason}); restore it from a backup, rebuild it from the "
        f"adapters with `lorify store rebuild --store {path.parent}`, or give another folder"
    )


def _lost_index(path: Path) -> StoreError:
    return StoreError(
        f"store {path.parent} has adapters but its index is missing or empty; restore {path.name} from a backup, or "
        f"rebuild it from the adapters with `lorify store rebuild --store {path.parent}`"
    )


def _prepare(connection: sqlite3.Connection, path: Path, *, may_create: bool) -> None:
    """Set the database's options, check it, and create its tables."""
    # Exclusive: a second process would delete the first one's incoming adapters as leftovers.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, SCHEMA_VERSION):
        raise StoreError(
            f"store {path.parent} has version {version}, expected {SCHEMA_VERSION}; update lorify or give a new folder"
        )
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if problem != "ok" or (version == 0 and tables):
        raise sqlite3.DatabaseError(problem if problem != "ok" else "it belongs to another program")
    if version == 0 and not may_create:
        raise _lost_index(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    if version == 0:
        connection.executescript(_SCHEMA)
    elif "label" not in {row[1] for row in connection.execute("PRAGMA table_info(owners)")}:
        connection.execute("ALTER TABLE owners ADD COLUMN label TEXT")  # stores of lorify 0.1 have none
    connection.execute(
        "SELECT id, num_bytes, source, provenance, created, fidelity, label FROM contents JOIN owners USING (id)"
    )
