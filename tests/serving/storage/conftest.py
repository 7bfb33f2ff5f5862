"""A store in a folder of its own, opened as often as a test wants."""

import pytest
from serving.storage.stores import PLENTY

from lorify.serving.storage.store import AdapterStore


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
