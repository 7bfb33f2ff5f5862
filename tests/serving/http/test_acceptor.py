"""Accepting connections: addresses take turns, and none holds up the others."""

import asyncio
import socket
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from serving.waiting import TIMEOUT_SECONDS

from lorify.serving.http.acceptor import MAX_OWNER_PENDING, Acceptor
from lorify.serving.http.arrivals import MAX_ADDRESS_ARRIVING, MAX_ARRIVING
from lorify.serving.http.middleware.access import connection_owner
from lorify.serving.limits.rates import RateLimit
from lorify.serving.storage.keys import ApiKeys, create_key

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes all of 127.0.0.0/8 as its own")
QUIET, LOUD = "127.0.0.2", "127.0.0.1"
REQUEST = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Started(asyncio.Protocol):
    """Notes whose connections are started."""

    def __init__(self, addresses: list[str], wanted: str, seen: asyncio.Event) -> None:
        self._addresses, self._wanted, self._seen = addresses, wanted, seen

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._addresses.append(transport.get_extra_info("peername")[0])
        if self._addresses[-1] == self._wanted:
            self._seen.set()
        transport.close()


def by_address(address: str, _sent: bytes) -> str:
    return address


def connect(stack: ExitStack, listener: socket.socket, address: str, sent: bytes = REQUEST) -> socket.socket:
    connection = socket.create_connection(listener.getsockname(), source_address=(address, 0))
    stack.enter_context(connection)
    connection.sendall(sent)
    return connection


async def started(
    num_loud: int, rate: RateLimit, sent: bytes = REQUEST, quiet: str = QUIET
) -> tuple[list[str], list[socket.socket], Acceptor, ExitStack]:
    """Connect often from one address, then send one request from another; return who was started until that one was."""
    stack, addresses, seen = ExitStack(), [], asyncio.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    acceptor = Acceptor(listener, lambda _sent: Started(addresses, quiet, seen), rate, TIMEOUT_SECONDS, by_address)
    loud = [connect(stack, listener, LOUD, sent) for _ in range(num_loud)]
    connect(stack, listener, quiet)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await seen.wait()
    return addresses, loud, acceptor, stack


def test_an_address_with_one_connection_does_not_wait_for_all_of_another() -> None:
    async def run() -> list[str]:
        addresses, _, acceptor, stack = await started(50, RateLimit(20, at_once=2))
        with stack:
            acceptor.close()
        return addresses

    assert len(asyncio.run(run())) < 10


def test_connections_beyond_what_may_wait_are_closed() -> None:
    async def run() -> list[socket.socket]:
        addresses, loud, acceptor, stack = await started(MAX_OWNER_PENDING + 20, RateLimit(20, at_once=2))
        with stack:
            closed = [one for one in loud[len(addresses) :] if is_closed(one)]
            acceptor.close()
            assert all(map(is_closed, loud)), "closing ends those that still wait"
        return closed

    assert len(asyncio.run(run())) >= 10


def is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_connections_within_the_rate_start_at_once() -> None:
    async def run() -> list[str]:
        addresses, _, acceptor, stack = await started(20, RateLimit(0.001, at_once=21))
        with stack:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while len(addresses) < 21:
                    await asyncio.sleep(0.01)
            acceptor.close()
        return addresses

    assert sorted(asyncio.run(run())) == [LOUD] * 20 + [QUIET]


@pytest.mark.parametrize("sent", [b"", b"G", b"GET /health HTTP/1.1\r\nHost: local", b"GET / HTTP/1.1\r\nA: 1\r\n"])
@pytest.mark.parametrize("quiet", [LOUD, QUIET])
def test_connections_without_a_request_take_no_turn(sent: bytes, quiet: str) -> None:
    """Not even from a request of the same address, which may be a proxy's."""

    async def run() -> tuple[list[str], int]:
        addresses, loud, acceptor, stack = await started(MAX_ARRIVING, RateLimit(0.001, at_once=1), sent, quiet)
        with stack:
            num_closed = sum(map(is_closed, loud))
            acceptor.close()
        return addresses, num_closed

    addresses, num_closed = asyncio.run(run())
    assert addresses == [quiet]
    assert num_closed >= MAX_ARRIVING - MAX_ADDRESS_ARRIVING, "the oldest ones are closed"


def test_a_request_may_arrive_in_parts() -> None:
    async def run() -> bytes:
        stack, received = ExitStack(), asyncio.get_running_loop().create_future()
        listener = socket.create_server(("127.0.0.1", 0))

        def build(sent: bytes) -> asyncio.Protocol:
            received.set_result(sent)
            return asyncio.Protocol()

        acceptor = Acceptor(listener, build, RateLimit(20, at_once=2), TIMEOUT_SECONDS, by_address)
        with stack:
            connection = connect(stack, listener, QUIET, b"")
            for i in range(len(REQUEST)):
                connection.sendall(REQUEST[i : i + 1])
                await asyncio.sleep(0)
            async with asyncio.timeout(TIMEOUT_SECONDS):
                sent = await received
            acceptor.close()
        return sent

    assert asyncio.run(run()) == REQUEST


def test_a_key_takes_turns_with_requests_without_one_from_its_address(tmp_path: Path) -> None:
    key = create_key(tmp_path / "keys.json", "ann")
    keys = ApiKeys.load(tmp_path / "keys.json")
    keyed = f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nauthorization:  bearer {key}\r\n\r\n".encode()
    unknown = REQUEST[:-2] + b"Authorization: Bearer lrf-unknown\r\n\r\n"

    async def run() -> list[bytes]:
        stack, started, seen = ExitStack(), [], asyncio.Event()
        listener = socket.create_server(("127.0.0.1", 0))

        def build(sent: bytes) -> asyncio.Protocol:
            started.append(sent)
            if sent == keyed:
                seen.set()
            return asyncio.Protocol()

        owner_of = partial(connection_owner, keys)
        acceptor = Acceptor(listener, build, RateLimit(20, at_once=2), TIMEOUT_SECONDS, owner_of)
        with stack:
            for sent in [REQUEST, unknown] * 25:
                connect(stack, listener, LOUD, sent)
            connect(stack, listener, LOUD, keyed)
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await seen.wait()
            acceptor.close()
        return started

    assert len(asyncio.run(run())) < 10
