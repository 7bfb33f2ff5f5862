"""Adapters made in the background: progress, cancelling, limits, and what other keys learn of it."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from serving.held_internalizer import HeldInternalizer, held_lorify
from serving.running import RunningServer, serving
from serving.tiny_lorify import TEXTS
from serving.waiting import wait_until

from lorify.serving.progress import Progress
from lorify.serving.settings import ServingSettings

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

BODY = {"text": TEXTS[2], "name": "boat"}


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[RunningServer, HeldInternalizer]]:
    """A server whose internalizer stops halfway, and that internalizer."""
    model, internalizer = held_lorify()
    settings = ServingSettings(max_jobs=4, max_key_share=0.25)
    with serving(tmp_path, owners=("ann", "bob"), settings=settings, model=model) as server:
        yield server, internalizer
        internalizer.let_go.set()


def http(server: RunningServer, name: str = "ann") -> httpx2.Client:
    return httpx2.Client(base_url=server.url, headers={"Authorization": f"Bearer {server.keys[name]}"}, timeout=60)


def started(client: httpx2.Client, body: dict = BODY) -> dict:
    response = client.post("/v1/adapters?background=true", json=body)
    assert response.status_code == 202, response.text
    assert response.headers["location"] == f"/v1/jobs/{response.json()['id']}"
    return response.json()


def ended(client: httpx2.Client, job: dict) -> dict:
    wait_until(lambda: client.get(f"/v1/jobs/{job['id']}").json()["status"] != "running")
    return client.get(f"/v1/jobs/{job['id']}").json()


def test_a_job_tells_how_far_it_is_and_ends_with_the_adapter(held) -> None:
    server, internalizer = held
    with http(server) as client:
        job = started(client)
        assert (job["status"], job["adapter"], job["error"]) == ("running", None, None)
        assert internalizer.is_held.wait(60)
        job = client.get(f"/v1/jobs/{job['id']}").json()
        assert job["phase"] == "internalizing" and 0.2 < job["fraction"] < 0.8 and job["seconds_left"] >= 0
        internalizer.let_go.set()
        job = ended(client, job)
        assert (job["status"], job["fraction"], job["phase"], job["seconds_left"]) == ("succeeded", 1, None, None)
        assert client.get(f"/v1/adapters/{job['adapter']['id']}").json()["documents"][0]["name"] == "boat"
        assert [known["id"] for known in client.get("/v1/jobs").json()["data"]] == [job["id"]]
        again = client.post("/v1/adapters", json=BODY).json()
        assert again["id"] == job["adapter"]["id"] and again["reused"]


def test_a_cancelled_job_leaves_nothing_behind(held) -> None:
    server, internalizer = held
    with http(server) as client:
        job = started(client)
        assert internalizer.is_held.wait(60)
        assert client.delete(f"/v1/jobs/{job['id']}").json()["status"] == "cancelled"
        assert client.get(f"/v1/jobs/{job['id']}").json()["status"] == "cancelled"
        assert client.get("/v1/adapters").json()["data"] == []
        assert server.service.store.num_bytes == 0
        internalizer.let_go.set()
        assert ended(client, started(client))["status"] == "succeeded"


def test_equal_jobs_share_their_work_and_one_can_be_cancelled(held) -> None:
    server, internalizer = held
    server.service.jobs = type(server.service.jobs)(8, 60)
    with http(server) as client:
        first, second = started(client), started(client)
        assert internalizer.is_held.wait(60)
        wait_until(lambda: client.get(f"/v1/jobs/{second['id']}").json()["fraction"] > 0)
        assert client.delete(f"/v1/jobs/{first['id']}").json()["status"] == "cancelled"
        internalizer.let_go.set()
        assert ended(client, second)["status"] == "succeeded"


def test_nothing_tells_of_the_jobs_of_other_keys(held) -> None:
    server, internalizer = held
    with http(server) as ann, http(server, "bob") as bob:
        job = started(ann)
        assert bob.get("/v1/jobs").json()["data"] == []
        for response in (bob.get(f"/v1/jobs/{job['id']}"), bob.delete(f"/v1/jobs/{job['id']}")):
            assert response.status_code == 404 and response.json()["error"]["code"] == "job_not_found"
            assert response.json() == bob.get(f"/v1/jobs/{job['id']}").json()
        internalizer.let_go.set()
        assert ended(ann, job)["status"] == "succeeded"


def test_one_key_can_take_its_share_of_the_jobs_only(held) -> None:
    server, internalizer = held
    with http(server) as ann, http(server, "bob") as bob:
        started(ann)
        refused = ann.post("/v1/adapters?background=true", json={"text": TEXTS[1]})
        assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 0
        assert "1 of your jobs" in refused.json()["error"]["message"]
        job = started(bob)
        internalizer.let_go.set()
        assert ended(bob, job)["status"] == "succeeded"


def test_the_error_of_a_job_is_the_one_that_post_gives(held) -> None:
    server, internalizer = held
    internalizer.let_go.set()
    with http(server) as client:
        files = {"file": ("broken.pdf", b"%PDF-1.7 nothing")}
        job = client.post("/v1/adapters?background=true", files=files).json()
        assert ended(client, job)["error"] == client.post("/v1/adapters", files=files).json()["error"]
        assert "broken.pdf" in ended(client, job)["error"]["message"]


def test_files_are_read_and_adapters_changed_in_the_background(held) -> None:
    server, internalizer = held
    internalizer.let_go.set()
    with http(server) as client:
        job = client.post("/v1/adapters?background=true", files={"file": ("mill.txt", TEXTS[0].encode())}).json()
        adapter = ended(client, job)["adapter"]
        body = {"add": [{"text": TEXTS[1], "name": "bees"}]}
        changed = client.patch(f"/v1/adapters/{adapter['id']}?background=true", json=body)
        assert changed.status_code == 202
        names = [document["name"] for document in ended(client, changed.json())["adapter"]["documents"]]
        assert names == ["mill.txt", "bees"]


def test_jobs_are_forgotten_some_time_after_their_end_and_by_a_restart(tmp_path: Path) -> None:
    model, internalizer = held_lorify()
    internalizer.let_go.set()
    with serving(tmp_path, settings=ServingSettings(keep_job_seconds=0.05), model=model) as server:
        with httpx2.Client(base_url=server.url) as client:
            job = started(client)
            wait_until(lambda: client.get(f"/v1/jobs/{job['id']}").status_code == 404)
            assert len(client.get("/v1/adapters").json()["data"]) == 1
    with serving(tmp_path, model=model) as server, httpx2.Client(base_url=server.url) as client:
        missing = client.get(f"/v1/jobs/{job['id']}")
        assert missing.status_code == 404 and "restart" in missing.json()["error"]["message"]


def test_a_running_job_is_finished_at_shutdown(tmp_path: Path) -> None:
    model, internalizer = held_lorify()
    with serving(tmp_path, model=model) as server, httpx2.Client(base_url=server.url) as client:
        started(client)
        assert internalizer.is_held.wait(60)
        internalizer.let_go.set()
    with serving(tmp_path, model=model) as server, httpx2.Client(base_url=server.url) as client:
        assert len(client.get("/v1/adapters").json()["data"]) == 1


def test_progress_tells_the_time_left_once_there_is_some() -> None:
    progress = Progress()
    assert (progress.phase, progress.fraction, progress.seconds_left) == ("waiting", 0, None)
    progress.begin(100)
    assert (progress.fraction, progress.seconds_left) == (0, None)
    progress.advance(50)
    assert progress.fraction == 0.5 and progress.seconds_left is not None
    progress.advance(200)  # the total was an estimate
    assert progress.fraction < 1
    progress.phase = "saving"
    assert (progress.fraction, progress.seconds_left) == (1, None)
