"""Names that owners give their adapters."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from serving.running import RunningServer, http_client, new_adapter, serving

from lorify.serving.storage.rebuild import rebuild_index
from lorify.serving.storage.store import AdapterStore

TEXT = "The mill opens at nine."
LABEL = "handbook 2026"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("labels"), owners=("ann", "bob")) as running:
        yield running


def put(client: httpx2.Client, id: str, body: object) -> httpx2.Response:
    return client.put(f"/v1/adapters/{id}/label", json=body)


def test_an_adapter_has_the_name_that_its_owner_gave_it(server: RunningServer) -> None:
    id = new_adapter(server, TEXT)["id"]
    assert new_adapter(server, TEXT, owner="bob")["id"] == id
    with http_client(server) as ann, http_client(server, "bob") as bob:
        assert ann.get(f"/v1/adapters/{id}").json()["label"] is None
        assert put(ann, id, {"label": f"  {LABEL}\x1b "}).json()["label"] == LABEL
        assert [adapter["label"] for adapter in ann.get("/v1/adapters").json()["data"]] == [LABEL]
        assert bob.get(f"/v1/adapters/{id}").json()["label"] is None
        changed = ann.patch(f"/v1/adapters/{id}", json={"add": [{"name": "bees", "text": "Ada keeps bees."}]}).json()
        assert changed["label"] == LABEL  # although it has another id
        assert put(ann, changed["id"], {"label": None}).json()["label"] is None


@pytest.mark.parametrize(
    ("id", "body", "status", "param"),
    [
        ("0" * 32, {"label": "a"}, 404, None),
        (None, {}, 400, "label"),
        (None, {"label": "a" * 201}, 400, "label"),
        (None, {"label": 3}, 400, "label"),
        (None, {"label": "a", "name": "b"}, 400, "name"),
    ],
)
def test_what_is_no_name_is_refused(server: RunningServer, id, body, status: int, param) -> None:
    id = id or new_adapter(server, TEXT)["id"]
    with http_client(server) as ann:
        response = put(ann, id, body)
    assert (response.status_code, response.json()["error"]["param"]) == (status, param)


def test_names_survive_a_rebuild_of_the_index(tmp_path: Path) -> None:
    with serving(tmp_path, owners=("ann",)) as running, http_client(running) as ann:
        id = new_adapter(running, TEXT)["id"]
        put(ann, id, {"label": LABEL})
    store_dir = tmp_path / "store"
    rebuild_index(store_dir, None)
    store = AdapterStore(store_dir, 1 << 30, 1 << 30)
    assert store.describe(id, "ann").label == LABEL
    store.close()


def test_a_store_of_an_older_lorify_gets_names(tmp_path: Path) -> None:
    with serving(tmp_path, owners=("ann",)) as running:
        id = new_adapter(running, TEXT)["id"]
    store_dir = tmp_path / "store"
    with sqlite3.connect(store_dir / "index.sqlite") as connection:
        connection.execute("ALTER TABLE owners DROP COLUMN label")
    connection.close()
    store = AdapterStore(store_dir, 1 << 30, 1 << 30)
    assert store.set_label(id, "ann", LABEL).label == LABEL
    store.close()
