"""Accepting connections: at a limited rate, once they have sent a request, in turns of those who sent it.

asyncio accepts whatever arrives before it goes on with open connections, so that a client who keeps connecting holds up
the requests of others.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from lorify.serving.http.arrivals import Arrivals
from lorify.serving.limits.rates import RateLimit
from lorify.serving.limits.sharing import FairQueue

MAX_PENDING = 512
"""Connections with a request that wait for their turn, of all owners; further ones are closed."""
MAX_OWNER_PENDING = 256
"""The same for one owner."""

_BACKLOG = 1024
_MAX_ACCEPTED = 64  # before other work of the event loop goes on
_ACCEPTED_PER_SECOND = 4000.0  # so that a full backlog is accepted in a quarter of a second
_PAUSE_SECONDS = 0.01  # after more than that
_OVERFLOW_SECONDS = 0.1  # after some were closed, since accepting and closing takes time too
_RETRY_SECONDS = 1.0  # after the system had no file left for a connection
_ALL = "all"

_log = logging.getLogger(__name__)


class Acceptor:
    """Accepts the connections of a listening socket and starts a protocol for each; used from one event loop."""

    def __init__(
        self,
        listener: socket.socket,
        build_protocol: Callable[[bytes], asyncio.Protocol],
        rate: RateLimit,
        header_seconds: float,
        owner_of: Callable[[str, bytes], str],
    ) -> None:
        """Start to accept.

        Args:
            listener: a bound socket.
            build_protocol: builds the protocol of a connection from what has been read from it already.
            rate: limits the protocols that are started, of all owners together.
            header_seconds: time limit for the headers of the first request.
            owner_of: tells from the address and what has been read who takes turns with others.
        """
        self._listener = listener
        self._build_protocol = build_protocol
        self._loop = asyncio.get_running_loop()
        self._arrivals = Arrivals(header_seconds, self._queue)
        self._pending: FairQueue[tuple[socket.socket, bytes]] = FairQueue()
        self._accepting = RateLimit(_ACCEPTED_PER_SECOND, _MAX_ACCEPTED)
        self._rate = rate
        self._owner_of = owner_of
        self._starting: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._overflows = False
        listener.setblocking(False)
        listener.listen(_BACKLOG)
        self._listen()

    def close(self) -> None:
        """Accept no more connections, and close those that still wait."""
        self._loop.remove_reader(self._listener)
        self._listener.close()
        if self._timer is not None:
            self._timer.cancel()
        self._arrivals.close()
        for connection, _ in self._pending:
            connection.close()
        self._pending.discard(lambda _pending: True)

    def _listen(self) -> None:
        if self._listener.fileno() >= 0:
            self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        """Accept what has arrived, up to a number."""
        self._overflows = False
        for _ in range(_MAX_ACCEPTED):
            if self._accepting.seconds_until(_ALL):
                self._pause(_PAUSE_SECONDS)
                return
            try:
                connection, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                break
            except OSError as error:
                _log.warning("a connection was not accepted (%s)", error.strerror)
                self._pause(_RETRY_SECONDS)
                return
            self._accepting.take(_ALL)
            self._arrivals.add(str(address[0]), connection)
        if self._overflows:
            self._pause(_OVERFLOW_SECONDS)

    def _queue(self, address: str, connection: socket.socket, sent: bytes) -> None:
        """Let a connection with a request wait for its turn."""
        owner = self._owner_of(address, sent)
        if len(self._pending) >= MAX_PENDING or self._pending.num_queued(owner) >= MAX_OWNER_PENDING:
            connection.close()
            self._overflows = True
            return
        self._pending.push(owner, (connection, sent))
        if self._timer is None:
            self._start_pending()

    def _pause(self, seconds: float) -> None:
        """Leave new connections to the system for a while."""
        self._loop.remove_reader(self._listener)
        self._loop.call_later(seconds, self._listen)

    def _start_pending(self) -> None:
        """Start waiting connections as far as the rate allows."""
        self._timer = None
        while (owner := self._pending.next_owner()) is not None:
            if seconds := self._rate.seconds_until(_ALL):
                self._timer = self._loop.call_later(seconds, self._start_pending)
                return
            self._rate.take(_ALL)
            connection, sent = self._pending.take(owner)
            self._pending.charge(owner, 1)
            self._pending.end(owner)
            task = self._loop.create_task(self._start(connection, sent))
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _start(self, connection: socket.socket, sent: bytes) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: self._build_protocol(sent), connection)
        except OSError:  # it has ended meanwhile
            connection.close()
