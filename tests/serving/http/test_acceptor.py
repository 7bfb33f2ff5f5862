"""Accepting connections: addresses take turns, and none holds up the others."""

import asyncio
import socket
import sys
from contextlib import ExitStack

import pytest
from serving.waiting import TIMEOUT_SECONDS

from lorify.serving.http.acceptor import MAX_ADDRESS_PENDING, Acceptor
from lorify.serving.limits.rates import RateLimit

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes all of 127.0.0.0/8 as its own")
QUIET, LOUD = "127.0.0.2", "127.0.0.1"


class Started(asyncio.Protocol):
    """Notes whose connections are started."""

    def __init__(self, addresses: list[str], wanted: str, seen: asyncio.Event) -> None:
        self._addresses, self._wanted, self._seen = addresses, wanted, seen

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._addresses.append(transport.get_extra_info("peername")[0])
        if self._addresses[-1] == self._wanted:
            self._seen.set()
        transport.close()


def connect(stack: ExitStack, listener: socket.socket, address: str) -> socket.socket:
    return stack.enter_context(socket.create_connection(listener.getsockname(), source_address=(address, 0)))


async def started(num_loud: int, rate: RateLimit) -> tuple[list[str], list[socket.socket], Acceptor, ExitStack]:
    """Connect often from one address, then once from another; return who was started until that one was."""
    stack, addresses, seen = ExitStack(), [], asyncio.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    acceptor = Acceptor(listener, lambda: Started(addresses, QUIET, seen), rate)
    loud = [connect(stack, listener, LOUD) for _ in range(num_loud)]
    connect(stack, listener, QUIET)
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
        addresses, loud, acceptor, stack = await started(MAX_ADDRESS_PENDING + 20, RateLimit(20, at_once=2))
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
