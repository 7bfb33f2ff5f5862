"""HTTP connections with limits that uvicorn does not have: their number, slow headers and slow readers.

The limits on request bodies are in `body_limits`.
"""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from lorify.serving.http.errors import error_response
from lorify.serving.limits.workers import RETRY_SECONDS
from lorify.serving.settings import ServingSettings

MAX_HEADER_BYTES = 32 << 10
MIN_BYTES_PER_SECOND = 4 << 10
"""A client that takes its response more slowly is disconnected."""

MIN_IDLE_SECONDS = 1.0
"""A connection that has had a response is closed to make room for another only if it has been idle for so long: sooner,
its next request may be on the way."""


class ConnectionConfig(uvicorn.Config):
    """A uvicorn configuration whose connections keep the limits of a server."""

    def __init__(self, app: Any, settings: ServingSettings, **options: Any) -> None:
        """Take an application, the limits, and further options of uvicorn."""
        # No WebSockets: the application has none, and their connections would escape the limits.
        super().__init__(
            app, http=LimitedProtocol, ws="none", h11_max_incomplete_event_size=MAX_HEADER_BYTES, **options
        )
        self.settings = settings


class LimitedProtocol(H11Protocol):
    """A connection.

    While no request is being handled, the headers of one have to arrive within `header_seconds`. That also ends
    connections that go on sending the body of a request that has been refused.
    """

    _waiting: asyncio.TimerHandle | None = None
    _sending: asyncio.TimerHandle | None = None
    _has_responded = False

    def __init__(self, config: uvicorn.Config, server_state: ServerState, app_state: dict[str, Any], sent: bytes):
        """Take what every protocol of uvicorn takes, and what has been read from the connection already."""
        super().__init__(config, server_state, app_state)
        self._sent = sent

    @property
    def _settings(self) -> ServingSettings:
        assert isinstance(self.config, ConnectionConfig)
        return self.config.settings

    @property
    def is_idle(self) -> bool:
        """Whether no request is being handled."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection; at the limit, close one that is idle, first one that never asked, or refuse this one."""
        super().connection_made(transport)
        others = [one for one in self._open_connections() if one is not self]
        if len(others) >= self._settings.max_connections:
            closable = [one for one in others if one.is_closable]
            oldest = min(closable, key=lambda one: (one._has_responded, one.idle_since()), default=None)
            if oldest is None:
                transport.write(_all_busy())
                transport.close()
                return
            oldest.transport.abort()
        self.data_received(self._sent)
        self._sent = b""

    @property
    def is_closable(self) -> bool:
        """Whether the connection can be closed to make room for another, without losing a request."""
        if not self._has_responded:
            return self.is_idle
        return self.is_idle and self.loop.time() - self.idle_since() > MIN_IDLE_SECONDS

    def idle_since(self) -> float:
        """Return the time since which the connection waits for a request, on the clock of the event loop."""
        return self._waiting.when() - self._settings.header_seconds if self._waiting is not None else 0.0

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection that has ended."""
        super().connection_lost(exc)
        for timer in (self._waiting, self._sending):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Handle data."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._has_responded = True
        self._watch()

    def pause_writing(self) -> None:
        """Begin to watch a client that reads more slowly than the server sends."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """Stop watching a client that reads again."""
        super().resume_writing()
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None

    def _open_connections(self) -> list[LimitedProtocol]:
        return [one for one in self.connections if isinstance(one, LimitedProtocol) and not one.transport.is_closing()]

    def _watch(self) -> None:
        """Start or end the time limit for headers."""
        if not self.is_idle:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None
        elif self._waiting is None and not self.transport.is_closing():
            self._waiting = self.loop.call_later(self._settings.header_seconds, self.transport.abort)

    def _watch_reader(self) -> None:
        seconds = self._settings.send_seconds
        expected = self.transport.get_write_buffer_size() - int(seconds * MIN_BYTES_PER_SECOND)

        def check() -> None:
            if self.transport.get_write_buffer_size() > max(0, expected):
                self.transport.abort()
            else:
                self._watch_reader()

        self._sending = self.loop.call_later(seconds, check)


def _all_busy() -> bytes:
    """Build a whole response for a connection that is not accepted."""
    message = "the server has too many open connections; try again in a moment"
    body = bytes(error_response(503, message, type="server_error", code="busy").body)
    head = (
        "HTTP/1.1 503 Service Unavailable",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"Retry-After: {RETRY_SECONDS}",
        "Connection: close",
    )
    return "\r\n".join((*head, "", "")).encode() + body
