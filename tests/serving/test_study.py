"""Study in requests: other weights than without, a new adapter each time, limits, and what is refused."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import torch
from serving.running import RunningServer, serving, stored
from serving.tiny_lorify import TEXTS
from tiny_lorify import judging_lorify

from lorify.hypernets.document_refinement import own_answers
from lorify.serving.settings import ServingSettings

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

TEXT = "The mill opens at 9. Its owner is Ada. The Elm Bridge is 48 metres long."


@pytest.fixture(scope="module")
def study_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    model = judging_lorify()
    model.base.model.generation_config.eos_token_id = list(range(0, 200, 4))  # so that answers end
    with pytest.MonkeyPatch.context() as patch, serving(tmp_path_factory.mktemp("study"), model=model) as running:
        patch.setattr(own_answers, "MIN_TOKEN_PROBABILITY", 0.0)
        yield running


@pytest.fixture
def client(study_server: RunningServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=study_server.url, timeout=600) as client:
        yield client


def test_an_adapter_that_studied_has_other_weights_and_is_not_mixed_up_with_the_plain_one(study_server, client):
    sent = {"text": TEXT, "name": "mill.txt"}
    studied = client.post("/v1/adapters", json=sent | {"study": 20}).json()
    plain = client.post("/v1/adapters", json=sent).json()
    assert plain["studied_seconds"] is None and studied["studied_seconds"] is not None
    assert (plain["reused"], studied["reused"]) == (False, False) and plain["id"] != studied["id"]
    changed = stored(study_server, studied["id"]).weights
    assert any(
        not torch.equal(pair.B, changed[key].B) for key, pair in stored(study_server, plain["id"]).weights.items()
    )
    assert client.post("/v1/adapters", json=sent).json()["id"] == plain["id"]
    exported = client.get(f"/v1/adapters/{studied['id']}/export")
    assert exported.status_code == 200 and exported.content[:2] == b"PK"


def test_a_file_is_studied_as_a_text_is(client):
    response = client.post("/v1/adapters", files={"file": ("mill.txt", f"{TEXT} It is old.")}, data={"study": "20"})
    assert response.status_code == 201, response.text
    made = response.json()
    assert made["studied_seconds"] is not None


def test_documents_that_are_added_undo_the_study(client):
    first = client.post("/v1/adapters", json={"text": f"{TEXT} It is new.", "study": 20}).json()
    grown = client.patch(f"/v1/adapters/{first['id']}", json={"add": [{"text": TEXTS[3], "name": "boat"}]}).json()
    assert grown["studied_seconds"] is None
    refused = client.patch(f"/v1/adapters/{grown['id']}", files={"file": ("a.txt", TEXTS[0])}, data={"study": "5"})
    error = refused.json()["error"]
    assert (refused.status_code, error["param"]) == (400, "study") and "only a new adapter studies" in error["message"]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"text": TEXTS[0], "study": 31}, "study asks for 31 seconds of training, this server allows at most 30"),
        ({"text": TEXTS[0], "study": 0}, "expected"),
        ({"text": TEXTS[0], "study": "long"}, "expected a number"),
        ({"task": "Say yes.", "study": 5}, "study goes with documents"),
        ({"text": "Hm.", "study": 5}, "there is nothing to study"),
    ],
)
def test_what_cannot_be_studied_is_refused(client, sent, message):
    response = client.post("/v1/adapters", json=sent)
    assert response.status_code == 400 and message in response.json()["error"]["message"]


def test_a_server_without_training_refuses_study(tmp_path: Path):
    with (
        serving(tmp_path, model=judging_lorify(), settings=ServingSettings(max_refine_seconds=0)) as running,
        httpx2.Client(base_url=running.url, timeout=600) as client,
    ):
        response = client.post("/v1/adapters", json={"text": TEXTS[0], "study": 1})
        assert response.status_code == 400 and "allows none" in response.json()["error"]["message"]
