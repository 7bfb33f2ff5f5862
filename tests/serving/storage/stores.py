"""What tests of the store compare."""

import os

import torch
from serving.waiting import wait_until

from lorify.adapters import Adapter
from lorify.serving.storage.store import AdapterStore

PLENTY = 1 << 30


def assert_equal(a: Adapter, b: Adapter) -> None:
    assert a.provenance == b.provenance
    for key, pair in a.weights.items():
        assert torch.equal(pair.A, b.weights[key].A) and torch.equal(pair.B, b.weights[key].B)
    assert a.statistics is not None and b.statistics is not None
    assert a.statistics[0].digest("S") == b.statistics[0].digest("S")


def folders(store: AdapterStore) -> set[str]:
    wait_until(lambda: not os.listdir(store.folder / "incoming"))
    return set(os.listdir(store.folder / "adapters"))
