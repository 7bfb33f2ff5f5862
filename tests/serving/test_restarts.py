"""A server that is started again on the same store, with another base or another hypernetwork."""

from pathlib import Path

import httpx2
import pytest
import torch
from serving.random_adapters import random_adapter
from serving.running import BASE, CHAT, serving
from serving.tiny_lorify import TEXTS, tiny_hypernetwork, tiny_lorify

from lorify import Lorify
from lorify.hypernets.associative.internalizer import AssociativeInternalizer
from lorify.serving.service import LOCAL_OWNER
from lorify.serving.storage.store import AdapterStore

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def test_adapters_of_another_base_are_hidden_from_all_routes(tmp_path: Path) -> None:
    store = AdapterStore(tmp_path / "store", 1 << 30, 0)
    foreign = store.put(random_adapter(), LOCAL_OWNER).id
    store.close()
    with serving(tmp_path) as running, httpx2.Client(base_url=running.url) as client:
        assert client.get("/v1/adapters").json()["data"] == []
        assert [model["id"] for model in client.get("/v1/models").json()["data"]] == [BASE]
        path = f"/v1/adapters/{foreign}"
        change = {"add": [{"text": TEXTS[0]}]}
        for response in (
            client.get(path),
            client.delete(path),
            client.get(f"{path}/export"),
            client.patch(path, json=change),
        ):
            assert (response.status_code, response.json()["error"]["code"]) == (404, "adapter_not_found")
        for named in ({"model": f"{BASE}:{foreign}"}, {"adapters": [{"id": foreign}]}):
            assert client.post("/v1/chat/completions", json=CHAT | named).status_code == 404
        assert client.get(f"/v1/models/{BASE}:{foreign}").status_code == 404
    store = AdapterStore(tmp_path / "store", 1 << 30, 0)
    assert [stored.id for stored in store.list(LOCAL_OWNER)] == [foreign]
    store.close()


def test_a_restart_with_another_hypernetwork_keeps_adapters_usable(tmp_path: Path) -> None:
    with serving(tmp_path) as running, httpx2.Client(base_url=running.url, timeout=60) as client:
        created = client.post("/v1/adapters", json={"text": TEXTS[0]}).json()
    model = tiny_lorify()
    config, hypernetwork = tiny_hypernetwork(model.base)
    torch.nn.init.constant_(hypernetwork.log_scale, -1.0)
    other = Lorify(model.base, AssociativeInternalizer(model.base, config, hypernetwork, name="other", digest="d2"))
    with serving(tmp_path, model=other) as running, httpx2.Client(base_url=running.url, timeout=60) as client:
        assert [one["id"] for one in client.get("/v1/adapters").json()["data"]] == [created["id"]]
        # The documents' tokens are kept, so the other hypernetwork encodes them.
        assert client.post("/v1/chat/completions", json=CHAT | {"model": created["model"]}).status_code == 200
        changed = client.patch(f"/v1/adapters/{created['id']}", json={"add": [{"name": "other", "text": TEXTS[1]}]})
        assert changed.status_code == 200, changed.text
        assert len(changed.json()["documents"]) == 2
