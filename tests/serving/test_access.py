"""Who may use a server, and which adapters."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import openai
import pytest
from openai import OpenAI
from serving.raw_http import connected, head, read_until_closed
from serving.running import BASE, CHAT, OPERATOR, RunningServer, ask, http_client, new_adapter, serving

from lorify.serving.engines.local import EngineLimits
from lorify.serving.settings import ServingSettings

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def test_a_key_gives_access_to_its_own_adapters_only(server: RunningServer) -> None:
    adapter = new_adapter(server, "Only Ann may know this.", owner="ann")
    bob = server.client("bob")
    assert [model.id for model in bob.models.list()] == [BASE]
    with pytest.raises(openai.NotFoundError) as unknown:
        ask(bob, adapter["model"])
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError) as unknown:
        ask(bob, extra_body={"adapters": [{"id": adapter["id"]}]})
    assert unknown.value.code == "adapter_not_found"
    path = f"/v1/adapters/{adapter['id']}"
    with http_client(server, "bob") as client:
        for response in (
            client.get(path),
            client.delete(path),
            client.patch(path, json={"remove": ["doc"]}),
            client.get(f"{path}/export"),
        ):
            assert (response.status_code, response.json()["error"]["code"]) == (404, "adapter_not_found")
        assert client.get("/v1/adapters").json()["data"] == []


def test_missing_and_wrong_keys_are_refused(server: RunningServer) -> None:
    for headers in ({}, {"Authorization": "Bearer lorify-wrong"}, {"Authorization": "Basic abc"}):
        for path in ("/v1/models", "/v1/adapters", "/metrics"):
            response = httpx2.get(server.url + path, headers=headers)
            assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
    assert httpx2.get(f"{server.url}/health").json()["status"] == "ok"


def test_metrics(server: RunningServer, ann: OpenAI) -> None:
    ask(ann)
    with http_client(server) as client:
        refused = client.get("/metrics")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    with http_client(server, OPERATOR) as client:
        metrics = client.get("/metrics").text
    assert 'lorify_requests_total{method="POST",route="/v1/chat/completions",status="200"}' in metrics
    assert "lorify_answer_tokens" in metrics and "lorify_store_bytes" in metrics


def test_without_keys_only_requests_from_this_machine_are_answered(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        assert ask(running.client()).choices[0].message.content
        for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Host": "["}):
            response = httpx2.get(f"{running.url}/v1/models", headers=headers)
            assert (response.status_code, response.json()["error"]["code"]) == (403, "not_local")


@pytest.fixture
def slow_server(tmp_path: Path) -> Iterator[RunningServer]:
    settings = ServingSettings(max_requests_per_second=0.1)
    with serving(tmp_path, owners=("ann", "bob"), settings=settings) as running:
        yield running


def test_too_many_requests_without_a_key_are_refused_and_leave_keys_alone(slow_server: RunningServer) -> None:
    statuses = []
    for path in ("/health", "/v1/models", "/v1/adapters", "/health"):
        response = httpx2.get(slow_server.url + path)
        statuses.append(response.status_code)
    assert statuses == [200, 429, 429, 429]
    assert int(response.headers["retry-after"]) > 2 and response.json()["error"]["code"] == "busy"
    with http_client(slow_server) as client:
        assert client.get("/health").status_code == 200


def test_too_many_requests_of_one_key_leave_other_keys_alone(slow_server: RunningServer) -> None:
    with http_client(slow_server, "bob") as client:
        assert [client.get("/v1/models").status_code for _ in range(3)] == [200, 429, 429]
    with http_client(slow_server, "ann") as client:
        assert client.get("/v1/models").status_code == 200


def test_requests_sent_at_once_on_one_connection_end_with_the_first_refused(slow_server: RunningServer) -> None:
    with connected(slow_server.url) as connection:
        connection.sendall(head("GET", "/health") * 20)
        received = read_until_closed(connection)
    assert received.count(b"HTTP/1.1 200 ") == 1 and received.count(b"HTTP/1.1 429 ") == 1


def test_a_single_key_has_no_limit_on_its_requests(tmp_path: Path) -> None:
    settings = ServingSettings(max_requests_per_second=0.1)
    with serving(tmp_path, owners=("ann",), settings=settings) as running, http_client(running) as client:
        assert [client.get("/v1/models").status_code for _ in range(3)] == [200] * 3


def test_a_request_that_is_refused_counts_several_times(tmp_path: Path) -> None:
    settings = ServingSettings(max_requests_per_second=0.5, engine=EngineLimits(max_rows=1, max_waiting=0))
    with serving(tmp_path, owners=("ann", "bob"), settings=settings) as running, http_client(running) as client:
        too_many = CHAT | {"n": 2}  # for one row
        responses = [client.post("/v1/chat/completions", json=too_many) for _ in range(2)]
        assert [response.status_code for response in responses] == [429, 429]
        messages = [response.json()["error"]["message"] for response in responses]
        assert ["too many requests a second" in message for message in messages] == [False, True]
