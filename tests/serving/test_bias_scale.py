"""The scale of Doc-to-LoRA's bias adapter in requests: applied, part of what makes adapters equal, and kept."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import torch
from serving.running import RunningServer, serving, stored
from serving.tiny_lorify import TEXTS, perceiver_lorify
from serving.waiting import wait_until

from lorify.adapters import Adapter
from lorify.serving.storage.rebuild import rebuild_index

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
RANK = 3


@pytest.fixture(scope="module")
def perceiver_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("perceiver")
    with serving(folder, model=perceiver_lorify(folder)) as running:
        yield running


@pytest.fixture
def client(perceiver_server: RunningServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=perceiver_server.url, timeout=600) as client:
        yield client


def assert_bias_scaled(adapter: Adapter, plain: Adapter, scale: float) -> None:
    for key, pair in plain.weights.items():
        torch.testing.assert_close(adapter.weights[key].A[:-RANK], pair.A[:-RANK])
        torch.testing.assert_close(adapter.weights[key].A[-RANK:], scale * pair.A[-RANK:])
        torch.testing.assert_close(adapter.weights[key].B[:, -RANK:], scale * pair.B[:, -RANK:])


def test_texts_and_files_take_a_scale(perceiver_server: RunningServer, client: httpx2.Client) -> None:
    plain = client.post("/v1/adapters", json={"text": TEXTS[0], "name": "mill.txt"}).json()
    assert plain["bias_scale"] is None
    scaled = client.post("/v1/adapters", json={"text": TEXTS[0], "name": "mill.txt", "bias_scale": 0.5}).json()
    assert (scaled["bias_scale"], scaled["reused"]) == (0.5, False)
    assert_bias_scaled(stored(perceiver_server, scaled["id"]), stored(perceiver_server, plain["id"]), 0.5)

    uploaded = client.post(
        "/v1/adapters", files={"file": ("mill.txt", TEXTS[0])}, data={"bias_scale": "0.5", "purpose": "lorify"}
    ).json()
    assert (uploaded["id"], uploaded["reused"]) == (scaled["id"], True)
    whole = client.post("/v1/adapters", json={"text": TEXTS[0], "name": "mill.txt", "bias_scale": 1}).json()
    assert (whole["id"], whole["reused"]) == (plain["id"], True)


def test_a_job_takes_a_scale(perceiver_server: RunningServer, client: httpx2.Client) -> None:
    sent = {"text": TEXTS[3], "bias_scale": 0}
    job = client.post("/v1/adapters?background=true", json=sent).json()
    wait_until(lambda: client.get(f"/v1/jobs/{job['id']}").json()["status"] != "running")
    made = client.get(f"/v1/jobs/{job['id']}").json()["adapter"]
    assert made["bias_scale"] == 0
    assert all(not pair.A[-RANK:].any() for pair in stored(perceiver_server, made["id"]).weights.values())


def test_changed_documents_keep_the_scale(perceiver_server: RunningServer, client: httpx2.Client) -> None:
    first = client.post("/v1/adapters", json={"text": TEXTS[1], "name": "bees", "bias_scale": -2}).json()
    grown = client.patch(f"/v1/adapters/{first['id']}", json={"add": [{"text": TEXTS[2], "name": "boat"}]}).json()
    assert grown["bias_scale"] == -2
    plain = client.post("/v1/adapters", json={"documents": [{"text": TEXTS[1], "name": "bees"}, {"text": TEXTS[2]}]})
    assert_bias_scaled(stored(perceiver_server, grown["id"]), stored(perceiver_server, plain.json()["id"]), -2)
    less = client.patch(f"/v1/adapters/{grown['id']}", json={"remove": ["bees"]}).json()
    assert less["bias_scale"] == -2
    refused = client.patch(
        f"/v1/adapters/{less['id']}", files={"file": ("mill.txt", TEXTS[0])}, data={"bias_scale": "1"}
    )
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "bias_scale")


def test_the_scale_survives_a_restart_and_a_rebuilt_index(tmp_path: Path) -> None:
    model = perceiver_lorify(tmp_path)
    sent = {"text": TEXTS[0], "bias_scale": 1.5}
    with serving(tmp_path, model=model) as running, httpx2.Client(base_url=running.url, timeout=600) as client:
        made = client.post("/v1/adapters", json=sent).json()
    rebuild_index(tmp_path / "store", None)
    with serving(tmp_path, model=model) as running, httpx2.Client(base_url=running.url, timeout=600) as client:
        assert client.get(f"/v1/adapters/{made['id']}").json()["bias_scale"] == 1.5
        again = client.post("/v1/adapters", json=sent).json()
        assert (again["id"], again["reused"]) == (made["id"], True)
        assert client.post("/v1/adapters", json={"text": TEXTS[0]}).json()["reused"] is False


@pytest.mark.parametrize(
    "value, message",
    [(2.5, "expected at most 2"), (-3, "expected at least -2"), ("much", "expected a number"), ("nan", "expected")],
)
def test_bad_scales_are_named(client: httpx2.Client, value: object, message: str) -> None:
    as_form = client.post("/v1/adapters", files={"file": ("a.txt", TEXTS[0])}, data={"bias_scale": str(value)})
    as_json = client.post("/v1/adapters", json={"text": TEXTS[0], "bias_scale": value})
    for response in (as_form, as_json):
        error = response.json()["error"]
        assert (response.status_code, error["param"]) == (400, "bias_scale")
        assert message in error["message"]


def test_a_task_has_no_bias_adapter(client: httpx2.Client) -> None:
    response = client.post("/v1/adapters", json={"task": "shout", "bias_scale": 0.5})
    assert response.status_code == 400
    assert "bias_scale goes with documents" in response.json()["error"]["message"]


def test_health_tells_whether_there_is_a_bias_adapter(client: httpx2.Client, tmp_path: Path) -> None:
    assert client.get("/health").json()["has_bias_adapter"] is True
    (tmp_path / "without").mkdir()
    for model, reason in (
        (None, "has no option bias_scale; leave it out (it has no options)"),
        (perceiver_lorify(tmp_path, bias_adapter=False), "(it has only chunk_tokens, iterative)"),
    ):
        folder = tmp_path / ("without" if model else ".")
        with serving(folder, model=model) as running, httpx2.Client(base_url=running.url, timeout=600) as other:
            assert other.get("/health").json()["has_bias_adapter"] is False
            refused = other.post("/v1/adapters", json={"text": TEXTS[0], "bias_scale": 1})
            assert (refused.status_code, refused.json()["error"]["param"]) == (400, "bias_scale")
            assert reason in refused.json()["error"]["message"]
            assert "\n" not in refused.json()["error"]["message"]
