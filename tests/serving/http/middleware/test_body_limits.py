"""Bodies of requests: the key comes first, and size, time and memory are limited."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from serving.raw_http import connected, head, read_until_closed
from serving.running import BASE, CHAT, RunningServer, serving
from serving.tiny_lorify import TEXTS
from serving.waiting import wait_until

from lorify.errors import RequestError
from lorify.serving.http.json_bodies import MAX_ITEMS, MAX_KEYS, validate_json
from lorify.serving.http.schemas.chat import ChatRequest
from lorify.serving.settings import ServingSettings

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

KILOBYTE = 1 << 10
SETTINGS = ServingSettings(
    max_upload_bytes=64 * KILOBYTE,
    max_request_bytes=32 * KILOBYTE,
    max_received_bytes=40 * KILOBYTE,
    body_seconds=1.0,
    header_seconds=1.0,
    max_key_share=0.5,
)
JSON = "Content-Type: application/json"
UNENDED = ("Content-Length: 30000", JSON)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("server"), owners=("ann", "bob"), settings=SETTINGS) as running:
        yield running


def key(server: RunningServer, name: str = "ann") -> str:
    return f"Authorization: Bearer {server.keys[name]}"


def post(server: RunningServer, body: object, path: str = "/v1/chat/completions", owner: str = "ann"):
    headers = {"Authorization": f"Bearer {server.keys[owner]}", "Content-Type": "application/json"}
    return httpx2.post(server.url + path, content=json.dumps(body).encode(), headers=headers, timeout=60)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/adapters", "/v1/nothing", "/metrics"])
def test_without_a_key_the_body_is_not_waited_for(server: RunningServer, path: str) -> None:
    for authorization in ((), ("Authorization: Bearer lorify-wrong",), ("Authorization: Basic YTpi",)):
        with connected(server.url) as connection:
            connection.sendall(head("POST", path, *UNENDED, *authorization) + b'{"model":')
            assert b" 401 " in connection.recv(KILOBYTE).partition(b"\r\n")[0]


def test_who_goes_on_sending_a_refused_body_is_disconnected(server: RunningServer) -> None:
    with connected(server.url) as connection:
        connection.sendall(head("POST", "/v1/adapters", *UNENDED) + b"{")
        assert b"invalid_api_key" in read_until_closed(connection)


def test_a_body_that_arrives_too_slowly_ends_with_an_error(server: RunningServer) -> None:
    with connected(server.url) as connection:
        connection.sendall(head("POST", "/v1/chat/completions", *UNENDED, key(server)) + b'{"model":')
        received = read_until_closed(connection)
    assert received.startswith(b"HTTP/1.1 408 ") and b"arrives too slowly (9 bytes so far)" in received


def test_a_chat_may_be_no_larger_than_its_own_limit(server: RunningServer) -> None:
    refused = post(server, CHAT | {"user": "x" * 40 * KILOBYTE})
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too_large")
    assert "32,768 bytes" in refused.json()["error"]["message"]
    assert post(server, {"text": "word " * 60}, "/v1/adapters").status_code == 201


def test_one_key_cannot_take_the_memory_for_all_bodies(server: RunningServer) -> None:
    with connected(server.url) as first, connected(server.url) as second:
        first.sendall(head("POST", "/v1/chat/completions", *UNENDED, key(server)) + b"{")
        wait_until(lambda: server.num_requests == 1)
        second.sendall(head("POST", "/v1/chat/completions", *UNENDED, key(server)) + b"{")
        refused = second.recv(KILOBYTE)
        assert refused.startswith(b"HTTP/1.1 429 ") and b"retry-after: 5" in refused.lower()
        assert post(server, CHAT, owner="bob").status_code == 200
    wait_until(lambda: server.num_requests == 0)
    assert post(server, CHAT).status_code == 200


def test_a_body_without_a_declared_size_counts_as_it_arrives(server: RunningServer) -> None:
    chunk = f"{8 * KILOBYTE:x}\r\n".encode() + b" " * (8 * KILOBYTE) + b"\r\n"
    with connected(server.url) as first, connected(server.url) as second:
        for connection in (first, second):
            connection.sendall(
                head("POST", "/v1/chat/completions", "Transfer-Encoding: chunked", JSON, key(server)) + chunk
            )
        time.sleep(0.05)
        second.sendall(chunk * 2)
        assert second.recv(KILOBYTE).startswith(b"HTTP/1.1 429 ")


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "m", "messages": [' + b"{}," * 9000 + b"{}]}",
        b'{"model": "m", ' + b",".join(b'"%d":1' % i for i in range(3000)) + b"}",
        b'{"model": "m", "messages": ' + b"[" * 30_000,
        b'{"model": "m", "messages": [' + b'"",' * 9000 + b'""]}',
    ],
)
def test_hostile_json_is_refused_fast(server: RunningServer, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {server.keys['ann']}", "Content-Type": "application/json"}
    started = time.thread_time()
    with pytest.raises(ValueError):
        ChatRequest.model_validate_json(body)
    assert time.thread_time() - started < 0.2
    response = httpx2.post(f"{server.url}/v1/chat/completions", content=body, headers=headers)
    assert response.status_code == 400 and len(response.content) < 3 * KILOBYTE


def test_the_problems_of_many_fields_are_described_in_linear_time() -> None:
    body = json.dumps({"model": "m"} | {f"field_{i}": 1 for i in range(MAX_KEYS - 1)}).encode()
    started = time.thread_time()
    with pytest.raises(RequestError, match="field_0: this field is not supported"):
        validate_json(ChatRequest, body, MAX_ITEMS)
    assert time.thread_time() - started < 5


@pytest.mark.parametrize(
    "body, path, message",
    [
        (CHAT | {"messages": [{"role": "user", "content": "x" * 31_000}]}, "chat/completions", "characters"),
        (CHAT | {"messages": [{"role": "user", "content": "x"}] * 600}, "chat/completions", "at least 600 tokens"),
        ({"model": BASE, "prompt": "x" * 31_000}, "completions", "characters"),
        ({"model": BASE, "prompt": [1] * 9000}, "completions", "at least 9,000 tokens"),
        ({"model": BASE, "prompt": [[1] * 600] * 5}, "completions", "at least 600 tokens"),
    ],
)
def test_a_prompt_that_cannot_fit_is_neither_tokenized_nor_decoded(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch, body: dict, path: str, message: str
) -> None:
    base = server.service.model.base
    monkeypatch.delattr(type(base), "encode_text")
    monkeypatch.delattr(type(base), "decode_text")
    monkeypatch.setattr(type(base.tokenizer), "__call__", None)
    refused = post(server, body, f"/v1/{path}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert message in refused.json()["error"]["message"]


def test_stop_texts_have_a_limited_length(server: RunningServer) -> None:
    for stop in ("x" * 1001, ["x" * 1001]):
        refused = post(server, CHAT | {"stop": stop})
        assert refused.status_code == 400 and "1000 characters" in refused.json()["error"]["message"]


def test_a_message_quotes_only_the_beginning_of_a_long_value(server: RunningServer) -> None:
    refused = post(server, {"model": BASE, "prompt": "a", "x" * 20_000: 1}, "/v1/completions")
    assert refused.status_code == 400 and len(refused.content) < 5 * KILOBYTE


def test_a_document_with_too_many_lines_is_not_worked_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("lorify.serving.limits.text_sizes.document_from_text")
    with serving(tmp_path, settings=ServingSettings(max_document_tokens=100)) as running:
        for files, body in (({"file": ("a.txt", "a\n" * 500)}, None), (None, {"text": "a\n" * 500})):
            refused = httpx2.post(f"{running.url}/v1/adapters", files=files, json=body)
            assert refused.status_code == 413 and "500 lines, the limit is 400" in refused.json()["error"]["message"]


def test_prompts_of_one_key_do_not_keep_others_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ServingSettings(max_preparing=4, max_key_share=0.5)
    with serving(tmp_path, owners=("ann", "bob"), settings=settings) as running, ThreadPoolExecutor(4) as pool:
        prompts = running.service.prompts
        entered = [prompts.slot("ann") for _ in range(2)]
        for slot in entered:
            slot.__enter__()
        refused = post(running, CHAT)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "busy")
        assert "of your requests are waiting for prompts to be tokenized" in refused.json()["error"]["message"]
        assert pool.submit(post, running, CHAT, owner="bob").result().status_code == 200
        for slot in entered:
            slot.__exit__(None, None, None)
        assert post(running, {"text": TEXTS[0]}, "/v1/adapters").status_code == 201
