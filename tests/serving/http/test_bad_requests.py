"""Requests that are refused, each with a message that says what is wrong."""

import json

import pytest
from serving.running import BASE, CHAT, RunningServer, http_client

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/adapters"])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_bodies_of_other_content_types_are_refused(server: RunningServer, path: str, kind: str | None) -> None:
    with http_client(server) as client:
        response = client.post(path, content=b"{}", headers={} if kind is None else {"Content-Type": kind})
    assert (response.status_code, response.json()["error"]["code"]) == (415, "unsupported_content_type")
    assert "send application/json" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    "path, body, status, message",
    [
        ("/v1/chat/completions", b"{", 400, "JSON"),
        ("/v1/chat/completions", b"[" * 100_000, 400, ""),
        ("/v1/chat/completions", b"\xff\xfe", 400, ""),
        ("/v1/chat/completions", CHAT | {"model": "gpt-5"}, 404, "no model 'gpt-5'"),
        ("/v1/chat/completions", CHAT | {"model": f"{BASE}:{'0' * 32}"}, 404, "no model"),
        ("/v1/chat/completions", CHAT | {"messages": []}, 400, "messages"),
        ("/v1/chat/completions", CHAT | {"temperature": "hot"}, 400, "temperature"),
        ("/v1/chat/completions", CHAT | {"temperature": 9}, 400, "temperature"),
        ("/v1/chat/completions", CHAT | {"tools": [{}]}, 400, "tools"),
        ("/v1/chat/completions", CHAT | {"n": 17}, 400, "the limit is 16"),
        (
            "/v1/chat/completions",
            CHAT | {"messages": [{"role": "user", "content": "a b " * 400}]},
            400,
            "context window",
        ),
        ("/v1/chat/completions", CHAT | {"adapters": [{"id": "x", "scale": -1}]}, 400, "scale"),
        ("/v1/chat/completions", CHAT | {"adapters": [{"id": "x"}, {"id": "x"}]}, 400, "given twice"),
        ("/v1/chat/completions", CHAT | {"adapters": [{"id": "../../etc/passwd"}]}, 404, "no adapter"),
        ("/v1/chat/completions", b'{"model": "\\ud800", "messages": [{"role": "user", "content": "a"}]}', 400, ""),
        ("/v1/chat/completions", CHAT | {"messages": [{"role": "user", "content": "\ud800"}]}, 400, "half of"),
        ("/v1/completions", {"model": BASE, "prompt": ["\udfff"]}, 400, "half of"),
        ("/v1/adapters", {"text": "\ud800"}, 400, ""),
        ("/v1/adapters", {"text": "word " * 4000}, 413, "the limit is 3,000"),
        ("/v1/completions", {"model": BASE, "prompt": ""}, 400, "empty"),
        ("/v1/completions", {"model": BASE, "prompt": [99999]}, 400, "vocabulary"),
        ("/v1/completions", {"model": BASE, "prompt": "a", "echo": True}, 400, "echo"),
        ("/v1/adapters", {}, 400, "nothing given"),
        ("/v1/adapters", {"text": "a", "task": "b"}, 400, "one of text"),
        ("/v1/adapters", {"text": " "}, 400, "empty"),
        ("/v1/adapters", {"task": "Answer in rhyme."}, 400, "no task hypernetwork"),
        ("/v1/adapters", {"url": "http://10.0.0.1/"}, 400, "url"),
        ("/v1/adapters", {"documents": [{"text": "a"}, {"text": "b"}]}, 400, "two documents are named"),
        ("/v1/adapters", b"plain", 400, ""),
        ("/v1/nothing", {}, 404, ""),
    ],
)
def test_bad_requests_say_what_is_wrong(server: RunningServer, path: str, body, status: int, message: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with http_client(server) as client:
        response = client.post(path, content=content, headers={"Content-Type": "application/json"})
    error = response.json()["error"]
    assert (response.status_code, set(error)) == (status, {"message", "type", "param", "code"})
    assert message in error["message"] and "\n" not in error["message"]
