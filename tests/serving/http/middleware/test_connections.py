"""Connections: their number, slow headers, slow readers, and keep-alive."""

import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from serving.raw_http import connected, head, read_until_closed
from serving.running import RunningServer, serving
from serving.waiting import wait_until

from lorify.serving.settings import ServingSettings

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = ServingSettings(max_connections=4, header_seconds=1.0, send_seconds=1.0)
    with serving(tmp_path_factory.mktemp("server"), settings=settings) as running:
        yield running


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nHost: local", b"GET /health HTTP/1.1\r\n" * 2])
def test_headers_that_do_not_arrive_end_the_connection(server: RunningServer, sent: bytes) -> None:
    with connected(server.url) as connection:
        connection.sendall(sent)
        assert read_until_closed(connection) == b""


def test_headers_on_a_used_connection_have_a_time_limit_too(server: RunningServer) -> None:
    with connected(server.url) as connection:
        ask_health(connection)
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: local")
        assert read_until_closed(connection) == b""


def test_the_longest_idle_connection_makes_room_for_a_new_one(tmp_path: Path) -> None:
    with serving(tmp_path, settings=ServingSettings(max_connections=2)) as running, ExitStack() as stack:
        first, second = (stack.enter_context(connected(running.url)) for _ in range(2))
        ask_health(first)
        ask_health(second)
        wait_until(lambda: httpx2.get(f"{running.url}/health").status_code == 200)
        assert read_until_closed(first) == b""
        ask_health(second)


def ask_health(connection: socket.socket) -> None:
    connection.sendall(head("GET", "/health"))
    response = b""
    while not response.endswith(b"}"):  # headers and body may come apart
        response += connection.recv(1 << 16)
    assert response.startswith(b"HTTP/1.1 200 ")


def test_a_connection_in_use_is_not_closed_for_silent_ones(server: RunningServer) -> None:
    with ExitStack() as stack:
        client = stack.enter_context(httpx2.Client(base_url=server.url))
        assert client.get("/health").status_code == 200
        for _ in range(6):  # more than may be open: they push each other out
            stack.enter_context(connected(server.url))
            assert client.get("/health").status_code == 200


def test_a_new_connection_is_refused_if_all_others_are_in_use(server: RunningServer) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(httpx2.Client(base_url=server.url)) for _ in range(4)]
        assert [client.get("/health").status_code for client in clients] == [200] * 4
        refused = httpx2.get(f"{server.url}/health")
        assert refused.status_code == 503 and "too many open connections" in refused.json()["error"]["message"]
        assert [client.get("/health").status_code for client in clients] == [200] * 4


def test_headers_that_are_too_long_are_refused(server: RunningServer) -> None:
    with connected(server.url) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nX: " + b"x" * 50_000)
        assert b" 200 " not in read_until_closed(connection)
    assert httpx2.get(f"{server.url}/health").status_code == 200


def test_a_client_that_does_not_read_is_disconnected(server: RunningServer) -> None:
    request = head("GET", "/openapi.json")
    with connected(server.url) as connection, pytest.raises((ConnectionResetError, BrokenPipeError)):
        while True:  # until the buffers are full and the server waits for this client
            connection.sendall(request)


def test_a_websocket_is_not_opened(server: RunningServer) -> None:
    upgrade = head("GET", "/health", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    with connected(server.url) as connection:
        connection.sendall(upgrade)
        assert b"101" not in connection.recv(1 << 16).partition(b"\r\n")[0]


def test_a_request_on_a_kept_connection_is_as_fast_as_on_a_new_one(tmp_path: Path) -> None:
    with serving(tmp_path) as running, httpx2.Client(base_url=running.url) as client:

        def seconds() -> float:
            started = time.perf_counter()
            assert client.get("/health").status_code == 200
            return time.perf_counter() - started

        # With Nagle's algorithm each response waits 40 ms for the client's delayed acknowledgement. On a busy machine
        # half of them may take as long without it.
        fastest_quarter, *_ = statistics.quantiles((seconds() for _ in range(40)), n=4)
        assert fastest_quarter < 0.03
