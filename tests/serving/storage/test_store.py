"""The adapter store: ownership and limits."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from serving.random_adapters import BASE_DIGEST, HYPERNETWORK_DIGEST, random_adapter
from serving.storage.stores import assert_equal, folders
from serving.store_worker import OWNERS

from lorify.contexts.documents import Document
from lorify.errors import StorageLimitError, StoreError, StoreFullError, UnknownAdapterError


def test_an_adapter_survives_a_restart(open_store):
    adapter = random_adapter()
    first = open_store()
    id = first.put(adapter, "ann").id
    first.set_fidelity(id, "ann", 0.9)
    stored = first.describe(id, "ann")
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
    anns = store.put(random_adapter(created="2026-01-01T00:00:00+00:00"), "ann")
    store.set_fidelity(anns.id, "ann", 0.5)
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


def test_putting_an_adapter_again_changes_nothing(store):
    first = store.put(random_adapter(created="2026-01-01T00:00:00+00:00"), "ann")
    assert store.put(random_adapter(created="2026-02-02T00:00:00+00:00"), "ann") == first
    store.set_fidelity(first.id, "ann", 0.7)
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


def test_an_adapter_with_another_bias_scale_is_another_one(store):
    documents = [Document("a.txt", "", f"{0:064x}")]
    plain = random_adapter()
    scaled = replace(plain, provenance=plain.provenance.model_copy(update={"bias_scale": 0.5}))
    stored = store.put(scaled, "ann")
    assert store.find(HYPERNETWORK_DIGEST, documents, "ann") is None
    assert store.find(HYPERNETWORK_DIGEST, documents, "ann", 0.5) == stored
    assert store.put(plain, "ann").id != stored.id
    assert store.find(HYPERNETWORK_DIGEST, documents, "ann", 0.5) == stored


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


def test_an_owner_may_store_so_much_and_can_free_it(store):
    sizes = [store.put(random_adapter(i), "ann").num_bytes for i in range(2)]
    store.put(random_adapter(2), "bob")
    store.max_owner_bytes = limit = sum(sizes) + 10
    kept = store.list("ann")
    with pytest.raises(StorageLimitError) as full:
        store.put(random_adapter(2), "ann")  # that another owner has it makes no difference
    for told in (f"{sum(sizes):,} of the {limit:,}", "max_key_disk_bytes", "DELETE /v1/adapters/ID"):
        assert told in str(full.value)
    assert store.list("ann") == kept
    store.put(random_adapter(0), "ann")  # one that the owner has already
    replaced = store.replace(kept[0].id, random_adapter(3), "ann")
    store.delete(replaced.id, "ann")
    store.put(random_adapter(2), "ann")
    assert len(store.list("ann")) == 2 and len(store.list("bob")) == 1


def test_an_owner_at_the_limit_is_refused_before_an_adapter_is_generated(store):
    store.check_room("ann")
    store.max_owner_bytes = store.put(random_adapter(0), "ann").num_bytes
    with pytest.raises(StorageLimitError, match="there is no room"):
        store.check_room("ann")
    store.check_room("bob")


def test_adapters_of_other_bases_do_not_count_for_their_owner(store):
    adapter = random_adapter(0)
    store.max_owner_bytes = store.put(adapter, "ann").num_bytes
    store.show_only("another base")
    store.check_room("ann")  # they are not listed, so the owner cannot delete them


def test_simultaneous_adapters_of_an_owner_stay_within_the_limit(store):
    size = store.put(random_adapter(0), "ann").num_bytes
    store.max_owner_bytes = 3 * size + 10

    def put(seed: int) -> bool:
        try:
            store.put(random_adapter(seed), "ann")
        except StorageLimitError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(put, range(1, 9))) == 2
    assert sum(stored.num_bytes for stored in store.list("ann")) <= store.max_owner_bytes
    assert folders(store) == {stored.id for stored in store.list("ann")}


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
