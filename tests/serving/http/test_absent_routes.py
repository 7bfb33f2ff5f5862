"""Routes that lorify does not have, paths that clients join wrong, and requests of health checks."""

from collections.abc import Iterator

import httpx2
import pytest
from openai import NotFoundError, OpenAI
from serving.running import BASE, CHAT, RunningServer, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serving(tmp_path_factory.mktemp("absent")) as running:
        yield running


@pytest.fixture(scope="module")
def http(server: RunningServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "hint"),
    [
        ("POST", "/v1/embeddings", "POST /v1/adapters"),
        ("POST", "/embeddings", "POST /v1/adapters"),
        ("GET", "/v1/files", "POST /v1/adapters"),
        ("DELETE", "/v1/files/file-1", "POST /v1/adapters"),
        ("GET", "/v1/vector_stores", "POST /v1/adapters"),
        ("POST", "/v1/fine_tuning/jobs", "POST /v1/adapters"),
        ("POST", "/v1/audio/translations", "text only"),
        ("POST", "/v1/images/edits", "text only"),
        ("GET", "/v1/responses/resp_1", "the whole chat with each request"),
        ("POST", "/v1/threads/runs", "the whole chat with each request"),
        ("POST", "/chat/completions", "end the base URL in /v1"),
        ("GET", "/models", "end the base URL in /v1"),
        ("POST", "/v1/nothing", "/openapi.json"),
        ("GET", "/favicon.ico", "/openapi.json"),
    ],
)
def test_absent_routes_say_what_to_use(http: httpx2.Client, method: str, path: str, hint: str) -> None:
    response = http.request(method, path, json={} if method == "POST" else None)
    error = response.json()["error"]
    assert (response.status_code, set(error)) == (404, {"message", "type", "param", "code"})
    assert hint in error["message"]


@pytest.mark.parametrize(("method", "path", "allowed"), [("GET", "/v1/chat/completions", "POST"), ("PUT", "/", "GET")])
def test_a_method_that_is_not_taken_is_named_with_one_that_is(
    http: httpx2.Client, method: str, path: str, allowed: str
) -> None:
    response = http.request(method, path)
    assert response.status_code == 405
    assert method in response.json()["error"]["message"] and allowed in response.json()["error"]["message"]


def test_the_openai_client_gets_the_hint_for_embeddings(server: RunningServer) -> None:
    with server.client() as client, pytest.raises(NotFoundError, match="does not serve embeddings"):
        client.embeddings.create(model=BASE, input="a")


@pytest.mark.parametrize("path", ["/v1/chat/completions/", "/v1//chat/completions", "//v1/chat/completions"])
def test_slashes_too_many_do_no_harm(http: httpx2.Client, path: str) -> None:
    # The host is written out, as a path with two slashes at its start would be read as a host.
    response = http.post(f"{http.base_url}".rstrip("/") + path, json=CHAT)
    assert response.status_code == 200, response.text


def test_the_list_of_models_may_end_in_a_slash(http: httpx2.Client) -> None:
    assert http.get("/v1/models/").json() == http.get("/v1/models").json()


def test_a_base_url_with_a_slash_works_in_the_openai_client(server: RunningServer) -> None:
    with OpenAI(base_url=f"{server.url}/v1/", api_key="none", max_retries=0) as client:
        assert client.models.list().data[0].id == BASE


@pytest.mark.parametrize("path", ["/", "/health"])
def test_health_checks_may_ask_for_the_headers_alone(http: httpx2.Client, path: str) -> None:
    response = http.head(path)
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("model", ["gpt-5", "", "default", f"{BASE}:{'0' * 32}"])
def test_an_unknown_model_is_named_beside_the_base(http: httpx2.Client, model: str) -> None:
    response = http.post("/v1/chat/completions", json=CHAT | {"model": model})
    error = response.json()["error"]
    assert (response.status_code, error["param"], error["code"]) == (404, "model", "model_not_found")
    assert f"{model!r}" in error["message"] and f"{BASE!r}" in error["message"]
