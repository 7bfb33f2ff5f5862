"""Starts on damaged stores: nothing intact is lost, and nothing is deleted that nobody asked to delete."""

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from serving.random_adapters import random_adapter
from serving.storage.stores import PLENTY, assert_equal

from lorify.errors import StoreError
from lorify.serving.storage.rebuild import rebuild_index
from lorify.serving.storage.store import AdapterStore

OWNED = {"ann": (0, 1), "bob": (1, 2)}
"""The seeds of each owner's adapters; both have that of seed 1."""
HURT = 0
"""The seed of the adapter that damage to a single one hits."""

Damage = Callable[[Path, str], object]


def overwrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def scramble(path: Path, start: int = 0) -> None:
    content = path.read_bytes()
    overwrite(path, content[:start] + random.Random(0).randbytes(len(content) - start))


def sql(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def replace_by_link(path: Path, target: Path) -> None:
    path.rename(target)
    path.symlink_to(target)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


TO_THE_INDEX: dict[str, Damage] = {
    "empty": lambda store, _: overwrite(store / "index.sqlite", b""),
    "missing": lambda store, _: (store / "index.sqlite").unlink(),
    "cut": lambda store, _: cut(store / "index.sqlite"),
    "another file": lambda store, _: overwrite(store / "index.sqlite", b"no database, but long " * 300),
    "pages overwritten": lambda store, _: scramble(store / "index.sqlite", 100),
    "first page empty": lambda store, _: overwrite(
        store / "index.sqlite", (store / "index.sqlite").read_bytes()[:100] + bytes(8000)
    ),
    "another database": lambda store, _: (
        (store / "index.sqlite").unlink(),
        sql(store / "index.sqlite", "CREATE TABLE songs (title TEXT)"),
    ),
    "another version": lambda store, _: sql(store / "index.sqlite", "PRAGMA user_version = 99"),
    "a table missing": lambda store, _: sql(store / "index.sqlite", "DROP TABLE owners"),
    "a column missing": lambda store, _: sql(store / "index.sqlite", "ALTER TABLE owners DROP COLUMN label"),
    "rows missing": lambda store, _: sql(store / "index.sqlite", "DELETE FROM owners", "DELETE FROM contents"),
    "journal of garbage": lambda store, _: overwrite(store / "index.sqlite-wal", bytes(range(256)) * 64),
    "rollback journal of garbage": lambda store, _: overwrite(store / "index.sqlite-journal", bytes(range(256)) * 64),
}
TO_ONE_ADAPTER: dict[str, Damage] = {
    "weights cut": lambda store, id: cut(store / "adapters" / id / "adapter.safetensors"),
    "weights overwritten": lambda store, id: scramble(store / "adapters" / id / "adapter.safetensors", 600),
    "weights missing": lambda store, id: (store / "adapters" / id / "adapter.safetensors").unlink(),
    "weights linked": lambda store, id: replace_by_link(
        store / "adapters" / id / "adapter.safetensors", store.parent / "elsewhere"
    ),
    "record empty": lambda store, id: overwrite(store / "adapters" / id / "adapter.json", b""),
    "record nested": lambda store, id: overwrite(store / "adapters" / id / "adapter.json", b"[" * 100_000),
    "record a pipe": lambda store, id: replace_by_pipe(store / "adapters" / id / "adapter.json"),
    "record a folder": lambda store, id: replace_by_folder(store / "adapters" / id / "adapter.json"),
    "folder missing": lambda store, id: shutil.rmtree(store / "adapters" / id),
    "folder a file": lambda store, id: (
        shutil.rmtree(store / "adapters" / id),
        overwrite(store / "adapters" / id, b"x"),
    ),
    "folder a link to nothing": lambda store, id: (
        shutil.rmtree(store / "adapters" / id),
        (store / "adapters" / id).symlink_to("nowhere"),
    ),
}
TO_WHAT_STANDS_BESIDE: dict[str, Damage] = {
    "copies of owners missing": lambda store, _: shutil.rmtree(store / "owners"),
    "a copy of owners damaged": lambda store, id: overwrite(store / "owners" / f"{id}.json", b'{"ann": 1'),
    "incoming missing": lambda store, _: shutil.rmtree(store / "incoming"),
    "a stale note of unfinished work": lambda store, id: (store / "incoming" / f"{id}.unfinished").touch(),
    "folders of others": lambda store, id: shutil.copytree(store / "adapters" / id, store / "adapters" / "mine"),
}


@pytest.fixture
def store_dir(tmp_path: Path) -> Path:
    store = AdapterStore(tmp_path / "store", PLENTY, 0)
    for owner, seeds in OWNED.items():
        for seed in seeds:
            store.put(random_adapter(seed), owner)
    store.close()
    return store.folder


@pytest.fixture
def ids(store_dir: Path) -> dict[int, str]:
    """The id of each adapter by its seed."""
    store = AdapterStore(store_dir, PLENTY, 0)
    found = {int(one.provenance.documents[0].digest, 16): one.id for owner in OWNED for one in store.list(owner)}
    store.close()
    return found


def files(store_dir: Path) -> dict[str, bytes]:
    """All plain files but those of the index, which SQLite changes when it recovers."""
    paths = (path for path in store_dir.rglob("*") if path.is_file() and not path.is_symlink())
    return {
        str(path.relative_to(store_dir)): path.read_bytes()
        for path in paths
        if not path.name.startswith("index.sqlite") and path.suffix != ".unfinished"
    }


def start(store_dir: Path) -> AdapterStore:
    """Open a store; if that is refused, as the message says, after a rebuild."""
    before = files(store_dir)
    try:
        return AdapterStore(store_dir, PLENTY, 0)
    except StoreError as refused:
        assert str(store_dir) in str(refused) and "\n" not in str(refused)
    assert files(store_dir) == before
    assert rebuild_index(store_dir, None).without_owner == []
    return AdapterStore(store_dir, PLENTY, 0)


@pytest.mark.parametrize("damage", [*TO_THE_INDEX.values(), *TO_WHAT_STANDS_BESIDE.values()])
def test_nothing_is_lost_by_damage_beside_the_adapters(store_dir: Path, ids: dict[int, str], damage: Damage) -> None:
    damage(store_dir, ids[HURT])
    before = files(store_dir)
    store = start(store_dir)
    if not store.list("ann"):  # an index without rows is not told from that of a new store
        store.close()
        assert rebuild_index(store_dir, None).num_adapters == len(ids)
        store = AdapterStore(store_dir, PLENTY, 0)
    for owner, seeds in OWNED.items():
        assert {one.id for one in store.list(owner)} == {ids[seed] for seed in seeds}
        for seed in seeds:
            assert_equal(store.get(ids[seed], owner), random_adapter(seed))
    store.close()
    after = files(store_dir)
    assert {path: after.get(path) for path in before if path.startswith("adapters")} == {
        path: content for path, content in before.items() if path.startswith("adapters")
    }


@pytest.mark.parametrize("damage", TO_ONE_ADAPTER.values(), ids=TO_ONE_ADAPTER)
def test_damage_to_an_adapter_is_named_and_hurts_no_other(store_dir: Path, ids: dict[int, str], damage: Damage) -> None:
    damage(store_dir, ids[HURT])
    before = files(store_dir)
    store = start(store_dir)
    with pytest.raises(StoreError, match="is damaged on disk; post its documents again"):
        store.get(ids[HURT], "ann")
    for owner, seed in (("ann", 1), ("bob", 1), ("bob", 2)):
        assert_equal(store.get(ids[seed], owner), random_adapter(seed))
    assert files(store_dir) == before
    assert store.put(random_adapter(HURT), "ann").id == ids[HURT]
    assert_equal(store.get(ids[HURT], "ann"), random_adapter(HURT))
    store.close()
