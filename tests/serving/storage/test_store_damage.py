"""The adapter store: damage, full disks, foreign files, clocks."""

import shutil
import sqlite3
from contextlib import contextmanager

import pytest
from safetensors import SafetensorError
from serving.random_adapters import HYPERNETWORK_DIGEST, random_adapter
from serving.storage.stores import PLENTY, assert_equal, folders

from lorify.contexts.documents import Document
from lorify.errors import StoreError, StoreFullError
from lorify.serving.storage.index import AdapterIndex
from lorify.serving.storage.store import AdapterStore

RENAME, WRITE = "pathlib.Path.rename", "lorify.adapters.storage.write_tensors"


def test_a_damaged_adapter_is_detected_and_repaired_by_putting_it_again(open_store):
    id = open_store().put(random_adapter(), "ann").id
    store = open_store(max_memory_bytes=0)
    weights_path = store.folder / "adapters" / id / "adapter.safetensors"
    weights_path.write_bytes(weights_path.read_bytes()[:-1])
    with pytest.raises(StoreError) as damaged:
        store.get(id, "ann")
    assert str(damaged.value) == f"adapter {id!r} is damaged on disk; post its documents again"
    documents = [Document("a.txt", "", f"{0:064x}")]
    assert store.find(HYPERNETWORK_DIGEST, documents, "ann") is None  # so that it is generated again
    stored = store.put(random_adapter(), "ann")
    assert_equal(store.get(id, "ann"), random_adapter())
    assert store.find(HYPERNETWORK_DIGEST, documents, "ann") == stored


@pytest.mark.parametrize(
    "where, refused, reason, kind",
    [
        (RENAME, OSError(28, "No space left on device"), "the disk is full", StoreFullError),
        (WRITE, SafetensorError("No space left on device (os error 28)"), "the disk is full", StoreFullError),
        (RENAME, sqlite3.OperationalError("database or disk is full"), "the disk is full", StoreFullError),
        (RENAME, OSError(5, "Input/output error"), "Input/output error", StoreError),
        (WRITE, OSError(5, "Input/output error"), "Input/output error", StoreError),
    ],
)
def test_a_failed_write_leaves_the_store_unchanged(store, monkeypatch, where, refused, reason, kind):
    kept = store.put(random_adapter(0), "ann")

    def refuse(*_args: object) -> None:
        raise refused

    with monkeypatch.context() as patch:
        patch.setattr(where, refuse)
        with pytest.raises(StoreError) as failed:
            store.replace(kept.id, random_adapter(1), "ann")
    assert type(failed.value) is kind and reason in str(failed.value)
    assert str(store.folder) not in str(failed.value)
    assert store.list("ann") == [kept]
    assert folders(store) == {kept.id}


def test_what_the_store_does_not_understand_stays(open_store, caplog):
    store = open_store()
    kept = store.put(random_adapter(), "ann")
    foreign = ("adapters/0123", f"adapters/{0:032x}", "incoming/notes", "incoming/.hidden")
    for folder in foreign:
        shutil.copytree(store.folder / "adapters" / kept.id, store.folder / folder)
    (store.folder / "adapters" / "file").touch()
    store = open_store()
    assert all((store.folder / folder).is_dir() for folder in foreign)
    assert (store.folder / "adapters" / "file").exists()
    assert store.list("ann") == [kept]
    assert "1 adapter folders" in caplog.text and "lorify store rebuild" in caplog.text


def test_other_folders_are_refused(tmp_path):
    (tmp_path / "index.sqlite").write_text("not a database, but long enough to have a header " * 100)
    with pytest.raises(StoreError, match="is damaged or not the index"):
        AdapterStore(tmp_path, PLENTY, PLENTY)
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        AdapterStore(tmp_path / "file" / "store", PLENTY, PLENTY)


def test_a_store_of_another_version_is_refused_unchanged(open_store):
    store = open_store()
    id = store.put(random_adapter(), "ann").id
    store.close()
    with sqlite3.connect(store.folder / "index.sqlite") as index:
        index.execute("PRAGMA user_version = 99")
    index.close()
    with pytest.raises(StoreError, match="version 99, expected 1; update lorify"):
        AdapterStore(store.folder, PLENTY, PLENTY)
    assert folders(store) == {id}


@pytest.mark.parametrize("shared", [False, True])
def test_an_adapter_can_be_deleted_when_the_disk_is_full(store, monkeypatch, shared):
    id = store.put(random_adapter(), "ann").id
    if shared:
        store.put(random_adapter(), "bob")
    folder = store.folder / "adapters" / id
    restarted = []

    def is_full() -> bool:
        return not restarted if shared else folder.exists()

    @contextmanager
    def fails_while_full(index: AdapterIndex):
        with transaction(index):
            yield
            if is_full():
                raise sqlite3.OperationalError("database or disk is full")

    transaction = AdapterIndex.transaction
    monkeypatch.setattr(AdapterIndex, "transaction", fails_while_full)
    monkeypatch.setattr(AdapterIndex, "reuse_space", lambda _: restarted.append(True))
    store.delete(id, "ann")
    assert store.list("ann") == []
    assert folder.exists() == shared == bool(store.list("bob"))


def test_a_read_only_store_is_refused_and_unchanged(open_store, monkeypatch):
    store = open_store()
    id = store.put(random_adapter(), "ann").id
    store.close()
    connect = sqlite3.connect
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda path, **options: connect(f"file:{path}?mode=ro", uri=True, **options))
        with pytest.raises(StoreError, match=r"cannot be (opened|written)"):
            AdapterStore(store.folder, PLENTY, PLENTY).put(random_adapter(1), "ann")
    assert_equal(open_store().get(id, "ann"), random_adapter())


def test_a_clock_that_jumps_back_loses_nothing(open_store):
    late = open_store().put(random_adapter(0, created="2030-01-01T00:00:00+00:00"), "ann")
    store = open_store()
    early = store.put(random_adapter(1, created="2001-01-01T00:00:00+00:00"), "ann")
    assert store.put(random_adapter(0, created="1999-01-01T00:00:00+00:00"), "ann").created == late.created
    assert store.list("ann") == [early, late]
    store.delete(late.id, "ann")
    assert open_store().list("ann") == [early]
