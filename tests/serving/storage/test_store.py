"""The adapter store: ownership, limits, damage, and kills at any moment."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from serving.random_adapters import BASE_DIGEST, HYPERNETWORK_DIGEST, random_adapter
from serving.store_worker import ADAPTER_SIZE, OWNERS
from serving.waiting import wait_until

from lorify.adapters import Adapter
from lorify.contexts.documents import Document
from lorify.errors import AdapterError, StoreError, StoreFullError, UnknownAdapterError
from lorify.serving.storage.index import AdapterIndex
from lorify.serving.storage.store import AdapterStore

TESTS_DIR = Path(__file__).parents[2]
PLENTY = 1 << 30


@pytest.fixture
def open_store(tmp_path):
    stores = []

    def open_it(max_disk_bytes: int = PLENTY, max_memory_bytes: int = PLENTY) -> AdapterStore:
        for store in stores:
            store.close()
        stores.append(AdapterStore(tmp_path / "store", max_disk_bytes, max_memory_bytes))
        return stores[-1]

    yield open_it
    for store in stores:
        store.close()


@pytest.fixture
def store(open_store):
    return open_store()


def assert_equal(a: Adapter, b: Adapter) -> None:
    assert a.provenance == b.provenance
    for key, pair in a.weights.items():
        assert torch.equal(pair.A, b.weights[key].A) and torch.equal(pair.B, b.weights[key].B)
    assert a.statistics is not None and b.statistics is not None
    assert a.statistics[0].digest("S") == b.statistics[0].digest("S")


def folders(store: AdapterStore) -> set[str]:
    wait_until(lambda: not os.listdir(store.folder / "incoming"))
    return set(os.listdir(store.folder / "adapters"))


def test_an_adapter_survives_a_restart(open_store):
    adapter = random_adapter()
    stored = open_store().put(adapter, "ann", fidelity=0.9)
    again = open_store()
    assert_equal(again.get(stored.id, "ann"), adapter)
    assert again.list("ann") == [stored] == [again.describe(stored.id, "ann")]
    assert stored.fidelity == 0.9
    assert stored.documents == adapter.provenance.documents
    assert stored.created == adapter.provenance.created
    assert stored.num_bytes == sum(path.stat().st_size for path in again.folder.glob("adapters/*/*"))


def test_adapters_are_listed_oldest_first(store):
    late = store.put(random_adapter(1, created="2026-01-02T00:00:00+00:00"), "ann")
    early = store.put(random_adapter(2, created="2026-01-01T00:00:00+00:00"), "ann")
    assert store.list("ann") == [early, late]


def test_other_owners_cannot_read_replace_or_delete_an_adapter(store):
    id = store.put(random_adapter(), "ann").id
    assert store.list("bob") == []
    for attempt in (
        lambda: store.get(id, "bob"),
        lambda: store.describe(id, "bob"),
        lambda: store.delete(id, "bob"),
        lambda: store.replace(id, random_adapter(1), "bob"),
    ):
        with pytest.raises(UnknownAdapterError) as foreign:
            attempt()
        assert str(foreign.value) == f"there is no adapter {id!r}; list your adapters to see their ids"
    store.get(id, "ann")
    assert folders(store) == {id}


def test_equal_adapters_are_stored_once_until_their_last_owner_deletes_them(store):
    anns = store.put(random_adapter(created="2026-01-01T00:00:00+00:00"), "ann", fidelity=0.5)
    bobs = store.put(random_adapter(created="2026-02-02T00:00:00+00:00"), "bob")
    assert anns.id == bobs.id
    assert folders(store) == {anns.id}
    # The second owner cannot see that there is a first.
    assert bobs.created == store.get(bobs.id, "bob").provenance.created == "2026-02-02T00:00:00+00:00"
    assert bobs.fidelity is None
    store.delete(anns.id, "ann")
    with pytest.raises(UnknownAdapterError):
        store.get(anns.id, "ann")
    assert_equal(store.get(bobs.id, "bob"), random_adapter(created="2026-02-02T00:00:00+00:00"))
    store.delete(bobs.id, "bob")
    assert folders(store) == set()
    assert store.num_bytes == 0


@pytest.mark.parametrize(
    "other", [random_adapter(1), random_adapter(name="b.txt")], ids=["of another document", "of another name"]
)
def test_different_adapters_have_different_ids(store, other):
    assert store.put(random_adapter(), "ann").id != store.put(other, "ann").id


def test_putting_an_adapter_again_updates_only_its_fidelity(store):
    first = store.put(random_adapter(created="2026-01-01T00:00:00+00:00"), "ann")
    assert store.put(random_adapter(created="2026-02-02T00:00:00+00:00"), "ann") == first
    assert store.put(random_adapter(), "ann", fidelity=0.7).fidelity == 0.7
    assert store.put(random_adapter(), "ann").fidelity == 0.7
    assert len(store.list("ann")) == 1


def test_an_adapter_is_found_by_its_documents_for_its_owner_only(store):
    stored = store.put(random_adapter(), "ann")
    documents = [Document("a.txt", "", f"{0:064x}")]
    assert store.find(HYPERNETWORK_DIGEST, documents, "ann") == stored
    assert store.find(HYPERNETWORK_DIGEST, documents, "bob") is None
    assert store.find("2" * 64, documents, "ann") is None
    assert store.find(HYPERNETWORK_DIGEST, [Document("b.txt", "", f"{0:064x}")], "ann") is None
    assert store.find(HYPERNETWORK_DIGEST, documents * 2, "ann") is None


def test_adapters_of_another_base_are_hidden_but_kept(open_store):
    store = open_store()
    ours = store.put(random_adapter(0), "ann")
    theirs = store.put(random_adapter(1, base_digest="2" * 64), "ann")
    store.show_only(BASE_DIGEST)
    assert store.list("ann") == [ours] == [store.describe(ours.id, "ann")]
    for attempt in (
        lambda: store.get(theirs.id, "ann"),
        lambda: store.describe(theirs.id, "ann"),
        lambda: store.delete(theirs.id, "ann"),
        lambda: store.replace(theirs.id, random_adapter(2), "ann"),
    ):
        with pytest.raises(UnknownAdapterError):
            attempt()
    store.show_only("2" * 64)
    assert_equal(store.get(theirs.id, "ann"), random_adapter(1, base_digest="2" * 64))
    assert open_store().list("ann") == [ours, theirs]


def test_replacing_an_adapter_removes_the_old_one_of_that_owner_only(store):
    old = store.put(random_adapter(0), "ann")
    store.put(random_adapter(0), "bob")
    new = store.replace(old.id, random_adapter(1), "ann")
    assert store.list("ann") == [new]
    assert [stored.id for stored in store.list("bob")] == [old.id]
    assert store.replace(new.id, random_adapter(1), "ann") == new
    store.replace(old.id, random_adapter(2), "bob")
    assert folders(store) == {stored.id for owner in OWNERS for stored in store.list(owner)}


def test_a_full_store_refuses_new_adapters_and_loses_none(open_store):
    size = open_store().put(random_adapter(0), "ann").num_bytes
    store = open_store(max_disk_bytes=3 * size + 10)
    kept = [*store.list("ann"), store.put(random_adapter(1), "ann")]
    store.put(random_adapter(1), "bob")
    # An adapter that another owner has counts like any other, so that nobody can tell that it is there.
    for adapter in (random_adapter(0), random_adapter(2)):
        with pytest.raises(StoreFullError) as full:
            store.put(adapter, "bob")
        # The message does not reveal how much others have stored.
        assert str(full.value) == (
            f"an adapter of {size:,} bytes does not fit: the store may hold {3 * size + 10:,} bytes in all; delete "
            "adapters or raise the store's limit"
        )
    assert store.list("ann") == kept
    assert folders(store) == {stored.id for stored in kept}
    store.replace(kept[0].id, random_adapter(2), "ann")
    assert store.num_bytes == 3 * size


def test_the_size_of_a_store_grows_as_if_nobody_had_the_same(store):
    size = store.put(random_adapter(0), "ann").num_bytes
    store.put(random_adapter(0), "bob")
    assert store.num_bytes == 2 * size


def test_putting_what_another_owner_has_reads_nothing(store, monkeypatch):
    store.put(random_adapter(0), "ann")
    monkeypatch.delattr("lorify.serving.storage.folders.load_adapter")
    store.put(random_adapter(0), "bob")


def test_the_least_recently_used_adapters_are_dropped_from_memory(open_store):
    adapter = random_adapter(0)
    assert adapter.statistics is not None
    size = adapter.num_bytes + adapter.statistics_bytes
    store = open_store(max_memory_bytes=2 * size)
    ids = [store.put(random_adapter(seed), "ann").id for seed in range(2)]
    store.get(ids[0], "ann")
    ids.append(store.put(random_adapter(2), "ann").id)
    store.put(random_adapter(3, size=1000), "ann")  # larger than the limit: the others stay
    shutil.rmtree(store.folder / "adapters")
    store.get(ids[0], "ann")
    store.get(ids[2], "ann")
    with pytest.raises(StoreError, match="damaged"):
        store.get(ids[1], "ann")


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


RENAME, WRITE = "pathlib.Path.rename", "lorify.adapters.storage.write_tensors"


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


def test_unfinished_work_of_a_killed_process_is_deleted_at_the_next_start(open_store):
    store = open_store()
    kept = store.put(random_adapter(), "ann")
    put, temporary, incoming = (f"{i:032x}" for i in range(3))
    for leftover in (f"adapters/{put}", f"incoming/.{temporary}-{incoming}", f"incoming/{incoming}"):
        shutil.copytree(store.folder / "adapters" / kept.id, store.folder / leftover)
    for id in (put, kept.id):
        (store.folder / "incoming" / f"{id}.unfinished").touch()
    store = open_store()
    assert folders(store) == {kept.id}
    assert store.list("ann") == [kept]


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


def test_a_store_can_be_open_only_once(store):
    with pytest.raises(StoreError, match="another process"):
        AdapterStore(store.folder, PLENTY, PLENTY)
    store.put(random_adapter(), "ann")


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


def test_threads_of_several_owners_do_not_interfere(open_store):
    store = open_store(max_memory_bytes=3000)
    errors: list[BaseException] = []

    def churn(owner: str) -> None:
        rng = random.Random(owner)
        try:
            for _ in range(15):
                adapter = random_adapter(rng.randrange(4))
                id = store.put(adapter, owner).id
                assert_equal(store.get(id, owner), adapter)
                if rng.random() < 0.7:
                    store.delete(id, owner)
                    with pytest.raises(UnknownAdapterError):
                        store.get(id, owner)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=churn, args=(f"owner {i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert folders(store) == {stored.id for i in range(4) for stored in store.list(f"owner {i}")}


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


def test_an_adapter_deleted_while_being_loaded_is_unknown(open_store, monkeypatch):
    store = open_store(max_memory_bytes=0)
    id = store.put(random_adapter(), "ann").id

    def load_late(folder: Path) -> Adapter:
        store.delete(id, "ann")
        raise AdapterError(f"there is no adapter folder {folder}")

    monkeypatch.setattr("lorify.serving.storage.folders.load_adapter", load_late)
    with pytest.raises(UnknownAdapterError):
        store.get(id, "ann")


@pytest.mark.parametrize("num_kills", [12, pytest.param(100, marks=pytest.mark.slow)])
def test_no_acknowledged_adapter_is_lost_in_a_kill(tmp_path, num_kills):
    folder, log_path = tmp_path / "store", tmp_path / "log"
    rng = random.Random(0)
    present: set[tuple[str, str]] = set()
    num_acknowledged = 0
    with subprocess.Popen(
        [sys.executable, "-m", "serving.store_worker", str(folder), str(log_path)],
        cwd=TESTS_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as workers:
        assert workers.stdin and workers.stdout
        for _ in range(num_kills):
            log_path.unlink(missing_ok=True)
            print(file=workers.stdin, flush=True)
            pid = int(workers.stdout.readline())
            num_lines = rng.randrange(8)  # with 0 it may be killed while it opens the store
            while num_lines and len(read_log(log_path)) < num_lines:
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.05))  # so that the kill hits any moment of a call
            os.kill(pid, signal.SIGKILL)
            assert workers.stdout.readline() == "dead\n"
            log = read_log(log_path)
            num_acknowledged += sum(event == "stored" for event, _, _ in log)
            present = check_acknowledged(folder, present, log)
        workers.stdin.close()
    assert workers.returncode == 0
    assert num_acknowledged > num_kills


def read_log(path: Path) -> list[tuple[str, ...]]:
    return [tuple(line.split()) for line in path.read_text().splitlines()] if path.exists() else []


def check_acknowledged(folder: Path, before: set[tuple[str, str]], log: list[tuple[str, ...]]) -> set[tuple[str, str]]:
    """Compare a store with the log of a killed worker; return the (id, owner) pairs that the store holds."""
    acknowledged, undecided = set(before), set()
    for event, id, owner in log:
        acknowledged.discard((id, owner))
        undecided.discard((id, owner))
        if event == "stored":
            acknowledged.add((id, owner))
        elif event == "deleting":
            undecided.add((id, owner))
    store = AdapterStore(folder, PLENTY, PLENTY)
    try:
        present = {(stored.id, owner) for owner in OWNERS for stored in store.list(owner)}
        assert acknowledged <= present
        for owner in OWNERS:  # an interrupted call may have completed or not
            assert sum(theirs == owner for _, theirs in present - acknowledged - undecided) <= 1
        for id, owner in present:
            adapter = store.get(id, owner)
            assert_equal(adapter, random_adapter(int(adapter.provenance.documents[0].digest, 16), size=ADAPTER_SIZE))
        assert folders(store) == {id for id, _ in present}
    finally:
        store.close()
    return present


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
