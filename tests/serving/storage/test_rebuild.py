"""Stores whose index is lost or damaged: nothing is deleted, and the index can be made anew."""

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from serving.random_adapters import random_adapter

from lorify.errors import StoreError
from lorify.serving.storage.index import StoredAdapter
from lorify.serving.storage.rebuild import rebuild_index
from lorify.serving.storage.store import AdapterStore

PLENTY = 1 << 30


def listed(folder: Path) -> dict[str, list[StoredAdapter]]:
    store = AdapterStore(folder, PLENTY, 0)
    found = {owner: sorted(store.list(owner), key=lambda adapter: adapter.id) for owner in ("ann", "bob", "eve")}
    for owner, adapters in found.items():
        for adapter in adapters:
            assert store.get(adapter.id, owner).num_bytes
    store.close()
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store in which ann has two adapters and bob one of them."""
    store = AdapterStore(tmp_path / "store", PLENTY, 0)
    for seed in range(2):
        store.set_fidelity(store.put(random_adapter(seed), "ann").id, "ann", 0.5 * seed)
    store.put(random_adapter(1, created="2026-02-02T00:00:00+00:00"), "bob")
    store.close()
    return store.folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def empty(index: Path) -> None:
    index.write_bytes(b"")


def remove(index: Path) -> None:
    index.unlink()


def cut(index: Path) -> None:
    os.truncate(index, index.stat().st_size // 2)


def overwrite_header(index: Path) -> None:
    index.write_bytes(b"no database at all, but long " * 200)


def overwrite_pages(index: Path) -> None:
    content = index.read_bytes()
    index.write_bytes(content[:100] + random.Random(0).randbytes(len(content) - 100))


def overwrite_root(index: Path) -> None:
    content = index.read_bytes()
    index.write_bytes(content[:100] + bytes(4096 - 100) + content[4096:])


def other_program(index: Path) -> None:
    index.unlink()
    with sqlite3.connect(index) as other:
        other.execute("CREATE TABLE songs (title TEXT)")
    other.close()


def other_version(index: Path) -> None:
    with sqlite3.connect(index) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()


def without_column(index: Path) -> None:
    with sqlite3.connect(index) as other:
        other.execute("ALTER TABLE owners DROP COLUMN fidelity")
    other.close()


def bad_provenance(index: Path) -> None:
    with sqlite3.connect(index) as other:
        other.execute("UPDATE contents SET provenance = '{}'")
    other.close()


def a_folder(index: Path) -> None:
    index.unlink()
    index.mkdir()


DAMAGES = [
    empty,
    remove,
    cut,
    overwrite_header,
    overwrite_pages,
    overwrite_root,
    other_program,
    other_version,
    without_column,
]


@pytest.mark.parametrize("damage", [*DAMAGES, a_folder])
def test_a_damaged_index_is_refused_and_nothing_is_touched(folder: Path, damage: Callable[[Path], None]) -> None:
    damage(folder / "index.sqlite")
    before = files(folder)
    with pytest.raises(StoreError) as refused:
        AdapterStore(folder, PLENTY, 0)
    assert str(folder) in str(refused.value) and "\n" not in str(refused.value)
    after = files(folder)
    assert {path: after[path] for path in before if not path.endswith(("-wal", "-shm"))} == before


@pytest.mark.parametrize("damage", [empty, remove, overwrite_header, overwrite_pages])
def test_the_message_says_how_to_make_the_index_anew(folder: Path, damage: Callable[[Path], None]) -> None:
    damage(folder / "index.sqlite")
    with pytest.raises(StoreError, match="lorify store rebuild"):
        AdapterStore(folder, PLENTY, 0)


def test_damage_inside_of_the_index_is_told_when_it_is_met(folder: Path) -> None:
    bad_provenance(folder / "index.sqlite")
    store = AdapterStore(folder, PLENTY, 0)
    with pytest.raises(StoreError, match="lorify store rebuild"):
        store.list("ann")
    store.close()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_rebuilt_index_has_what_the_lost_one_had(folder: Path, damage: Callable[[Path], None]) -> None:
    before = listed(folder)
    damage(folder / "index.sqlite")
    rebuilt = rebuild_index(folder, None)
    assert (rebuilt.num_adapters, rebuilt.damaged, rebuilt.without_owner) == (2, [], [])
    assert rebuilt.old_index is None or rebuilt.old_index.exists()
    assert listed(folder) == before


def test_deleted_and_replaced_adapters_do_not_come_back(folder: Path) -> None:
    store = AdapterStore(folder, PLENTY, 0)
    first, second = store.list("ann")
    store.delete(second.id, "ann")
    store.replace(first.id, random_adapter(7), "ann")
    store.close()
    before = listed(folder)
    remove(folder / "index.sqlite")
    rebuild_index(folder, "eve")
    assert listed(folder) == before


def test_damaged_folders_and_those_without_a_known_owner_are_reported(folder: Path) -> None:
    first, second = listed(folder)["ann"]
    (folder / "adapters" / first.id / "adapter.safetensors").write_bytes(b"")
    shutil.rmtree(folder / "owners")
    remove(folder / "index.sqlite")
    rebuilt = rebuild_index(folder, None)
    assert (rebuilt.num_adapters, rebuilt.damaged, rebuilt.without_owner) == (0, [first.id], [second.id])
    assert rebuild_index(folder, "eve").num_adapters == 1
    assert [adapter.id for adapter in listed(folder)["eve"]] == [second.id]
    assert (folder / "adapters" / first.id).exists()


def test_owners_of_a_store_without_their_copies_come_from_its_index(folder: Path) -> None:
    before = listed(folder)
    shutil.rmtree(folder / "owners")
    assert rebuild_index(folder, None).num_adapters == 2
    assert listed(folder) == before


def test_an_open_store_and_other_folders_are_not_rebuilt(folder: Path, tmp_path: Path) -> None:
    store = AdapterStore(folder, PLENTY, 0)
    with pytest.raises(StoreError, match="open in another process"):
        rebuild_index(folder, None)
    store.close()
    with pytest.raises(StoreError, match="is not a store"):
        rebuild_index(tmp_path, None)
