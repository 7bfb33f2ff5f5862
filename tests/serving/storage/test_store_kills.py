"""The adapter store: several threads and processes, and kills at any moment."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from serving.random_adapters import random_adapter
from serving.storage.stores import PLENTY, assert_equal, folders
from serving.store_worker import ADAPTER_SIZE, OWNERS

from lorify.adapters import Adapter
from lorify.errors import AdapterError, StoreError, UnknownAdapterError
from lorify.serving.storage.store import AdapterStore

TESTS_DIR = Path(__file__).parents[2]


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


def test_a_store_can_be_open_only_once(store):
    with pytest.raises(StoreError, match="another process"):
        AdapterStore(store.folder, PLENTY, PLENTY)
    store.put(random_adapter(), "ann")


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
