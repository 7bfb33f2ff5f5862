"""Attacks on a server that answers with vLLM: a fake one, and with the marker `vllm` a real one."""

from collections.abc import Iterator

import httpx2
import pytest
import torch
from serving.fake_vllm import FakeVllm, fake_vllm
from serving.raw_http import connected, head
from serving.real_vllm import real_vllm
from serving.running import RunningServer, serving
from serving.tiny_lorify import tiny_lorify
from serving.waiting import wait_until

import lorify
from lorify.serving.engines.vllm import VllmEngine, VllmLimits
from lorify.serving.settings import ServingSettings

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

SETTINGS = ServingSettings(vllm=VllmLimits(max_jobs=4), max_key_share=0.5, max_request_bytes=200_000)
OWNERS = ("ann", "bob")


@pytest.fixture(scope="module", params=["fake", pytest.param("real", marks=pytest.mark.vllm)])
def attacked(request, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, FakeVllm | None]]:
    folder = tmp_path_factory.mktemp("server")
    if request.param == "fake":
        model = tiny_lorify()
        vllm = fake_vllm(model.base)
    else:
        model = lorify.load(dtype=torch.float32)
        vllm = real_vllm(folder / "adapters", folder / "log")
    with vllm as remote:
        engine = VllmEngine(model.base, remote.url, folder / "adapters", SETTINGS.vllm, model.answerer.plan, 0.5)
        with serving(folder, owners=OWNERS, model=model, engine=engine, settings=SETTINGS) as running:
            yield running, remote if isinstance(remote, FakeVllm) else None


def post(server: RunningServer, path: str, body: dict[str, object], owner: str = "ann") -> httpx2.Response:
    headers = {"Authorization": f"Bearer {server.keys[owner]}"}
    return httpx2.post(
        f"{server.url}{path}", json={"model": server.service.base_id, **body}, headers=headers, timeout=300
    )


def chat(server: RunningServer, text: str = "What is it?", owner: str = "ann", **options: object) -> httpx2.Response:
    messages = [{"role": "user", "content": text}]
    return post(server, "/v1/chat/completions", {"messages": messages, "max_tokens": 2, **options}, owner)


def num_sent(remote: FakeVllm | None) -> int:
    """Prompts that reached the fake vLLM server; the real one does not say."""
    return 0 if remote is None else len(remote.requests)


def test_prompts_that_cannot_fit_never_reach_vllm(attacked) -> None:
    server, remote = attacked
    before = num_sent(remote)
    too_long = "context_length_exceeded"
    many = server.service.model.base.window_tokens * 2
    for refused in (
        chat(server, "word " * 39_000),
        post(server, "/v1/completions", {"prompt": [5] * many}),
        post(server, "/v1/completions", {"prompt": [[5] * many, [5]]}),
    ):
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, too_long)
    assert chat(server, "word " * 50_000).status_code == 413
    assert chat(server, n=100).status_code == 400
    assert num_sent(remote) == before


def test_without_a_key_the_body_is_not_waited_for(attacked) -> None:
    server, remote = attacked
    before = num_sent(remote)
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/adapters", "/v1/nothing"):
        with connected(server.url) as connection:
            connection.sendall(head("POST", path, "Content-Type: application/json", "Content-Length: 30000") + b"{")
            assert b" 401 " in connection.recv(1024).partition(b"\r\n")[0]
    assert num_sent(remote) == before


def test_one_key_takes_its_share_of_the_answers_only(attacked) -> None:
    server, _ = attacked
    refused = chat(server, n=3)  # of 4 answers at once, half
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "busy")
    assert "of your requests" in refused.json()["error"]["message"] and refused.headers["retry-after"]
    wait_until(lambda: server.service.engine.status().running == 0)
    assert [chat(server, n=2, owner=owner).status_code for owner in OWNERS] == [200, 200]


def test_streams_that_nobody_reads_free_their_places(attacked) -> None:
    server, _ = attacked
    headers = {"Authorization": f"Bearer {server.keys['ann']}"}
    body = {"model": server.service.base_id, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 60}
    for _ in range(4):
        with httpx2.Client(base_url=server.url, headers=headers, timeout=300) as client:
            with client.stream("POST", "/v1/chat/completions", json={**body, "stream": True}) as response:
                next(response.iter_lines())
    wait_until(lambda: server.service.engine.status().running == 0)
    assert chat(server, n=2).status_code == 200


def test_adapters_of_other_keys_do_not_exist(attacked) -> None:
    server, remote = attacked
    headers = {"Authorization": f"Bearer {server.keys['bob']}"}
    adapter = httpx2.post(
        f"{server.url}/v1/adapters", json={"text": "The mill opens at nine."}, headers=headers, timeout=300
    ).json()
    before = num_sent(remote)
    for named in ({"model": adapter["model"]}, {"adapters": [{"id": adapter["id"]}]}):
        assert chat(server, **named).status_code == 404
    assert num_sent(remote) == before
    assert chat(server, owner="bob", model=adapter["model"]).status_code == 200


def test_forms_that_cannot_be_enforced_never_reach_vllm(attacked) -> None:
    server, remote = attacked
    before = num_sent(remote)
    deep: dict[str, object] = {"type": "string"}
    for _ in range(300):
        deep = {"type": "array", "items": deep}
    for schema in ({"type": "string", "pattern": "(" * 5000}, {"uniqueItems": True}, deep):
        form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
        assert chat(server, response_format=form).status_code == 400
    assert num_sent(remote) == before
