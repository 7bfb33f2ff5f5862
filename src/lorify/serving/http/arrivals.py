"""New connections whose first request has not arrived yet.

Until the headers of a request are complete, a connection is only a socket and the bytes read from it, which costs far
less than a protocol, and can be closed for a newer one.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

MAX_ARRIVING = 512
"""Connections without complete headers, of all addresses; a further one closes the oldest of the busiest address."""
MAX_ADDRESS_ARRIVING = 256
"""The same for one address."""
MAX_READ_BYTES = 32 << 10
"""Headers longer than this are left to the protocol, which refuses them."""

_FIRST_PRINTABLE = 0x21  # no method begins with less; TLS does, for example
_END_LOOKBACK = 2  # bytes of an end of headers that an earlier read may have brought


@dataclass(eq=False)
class _Arriving:
    """A connection and what it has sent."""

    address: str
    connection: socket.socket
    timer: asyncio.TimerHandle
    sent: bytearray = field(default_factory=bytearray)


class Arrivals:
    """Reads from new connections until their first request has arrived; used from one event loop."""

    def __init__(self, header_seconds: float, on_request: Callable[[str, socket.socket, bytes], None]) -> None:
        """Start without connections.

        Args:
            header_seconds: time limit for complete headers; the connection is closed without an answer.
            on_request: called with the address, the connection and what was read, once headers are complete.
        """
        self._header_seconds = header_seconds
        self._on_request = on_request
        self._loop = asyncio.get_running_loop()
        self._arriving: dict[str, dict[socket.socket, _Arriving]] = {}

    def add(self, address: str, connection: socket.socket) -> None:
        """Read from a connection; if there are too many, close the oldest one of its or of the busiest address.

        Args:
            address: where it comes from.
            connection: an accepted socket.
        """
        connection.setblocking(False)
        timer = self._loop.call_later(self._header_seconds, self._close, address, connection)
        arriving = _Arriving(address, connection, timer)
        self._arriving.setdefault(address, {})[connection] = arriving
        self._read(arriving)
        if not self._is_known(arriving):  # its request has arrived
            return
        self._loop.add_reader(connection, self._read, arriving)
        if len(self._arriving[address]) > MAX_ADDRESS_ARRIVING:
            self._close_oldest(address)
        elif sum(map(len, self._arriving.values())) > MAX_ARRIVING:
            self._close_oldest(max(self._arriving, key=lambda other: len(self._arriving[other])))

    def close(self) -> None:
        """Close all connections."""
        for address, connections in list(self._arriving.items()):
            for connection in list(connections):
                self._close(address, connection)

    def _read(self, arriving: _Arriving) -> None:
        try:
            part = arriving.connection.recv(MAX_READ_BYTES - len(arriving.sent))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            part = b""
        if not part:
            self._close(arriving.address, arriving.connection)
            return
        searched_from = max(0, len(arriving.sent) - _END_LOOKBACK)
        arriving.sent += part
        if _is_request(arriving.sent, searched_from):
            self._forget(arriving.address, arriving.connection)
            self._on_request(arriving.address, arriving.connection, bytes(arriving.sent))

    def _is_known(self, arriving: _Arriving) -> bool:
        return arriving.connection in self._arriving.get(arriving.address, {})

    def _close_oldest(self, address: str) -> None:
        self._close(address, next(iter(self._arriving[address])))

    def _close(self, address: str, connection: socket.socket) -> None:
        self._forget(address, connection)
        connection.close()

    def _forget(self, address: str, connection: socket.socket) -> None:
        arriving = self._arriving[address].pop(connection)
        if not self._arriving[address]:
            del self._arriving[address]
        arriving.timer.cancel()
        self._loop.remove_reader(connection)


def _is_request(sent: bytearray, searched_from: int) -> bool:
    """Return whether a protocol can answer: headers are complete, too long, or no HTTP."""
    is_complete = sent.find(b"\n\n", searched_from) >= 0 or sent.find(b"\n\r\n", searched_from) >= 0
    return is_complete or len(sent) >= MAX_READ_BYTES or sent[0] < _FIRST_PRINTABLE
