"""`lorify store`."""

import json
from pathlib import Path

from serving.random_adapters import random_adapter
from typer.testing import CliRunner

from lorify.cli import app
from lorify.serving.storage.store import AdapterStore


def test_rebuild_makes_a_lost_index_anew(tmp_path: Path) -> None:
    store = AdapterStore(tmp_path, 1 << 30, 0)
    ids = {store.put(random_adapter(seed), "ann").id for seed in range(3)}
    store.close()
    (tmp_path / "index.sqlite").unlink()
    rebuilt = CliRunner().invoke(app, ["store", "rebuild", "--store", str(tmp_path)])
    assert (rebuilt.exit_code, rebuilt.stdout) == (0, "the index has 3 adapters\n")
    again = CliRunner().invoke(app, ["store", "rebuild", "--store", str(tmp_path), "--json"])
    assert json.loads(again.stdout)["old_index"] == str(tmp_path / "index.sqlite.old-1")
    store = AdapterStore(tmp_path, 1 << 30, 0)
    assert {stored.id for stored in store.list("ann")} == ids
    store.close()


def test_rebuild_refuses_what_is_no_store(tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, ["store", "rebuild", "--store", str(tmp_path)])
    assert refused.exit_code == 2 and "is not a store" in refused.stderr
