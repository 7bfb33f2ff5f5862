"""The process that serves: listening, logging, and ending gracefully."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable

import uvicorn

from lorify.errors import ConfigError
from lorify.serving.http.app import create_app
from lorify.serving.service import Service


def run_server(service: Service, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; answers that are being given then are finished first.

    After SIGTERM this returns, as the server has ended in the way it was asked to; SIGINT raises KeyboardInterrupt.

    Args:
        service: what is served; it is closed at the end.
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        ready: called with the server's URL once requests are taken.

    Raises:
        ConfigError: if the address cannot be listened on.
    """
    server = LorifyServer(service, host, port, ready)
    # uvicorn sends itself a signal once more when it has ended, and gives it to whoever had it before.
    before = signal.signal(signal.SIGTERM, server.handle_exit)
    try:
        server.run()
    finally:
        signal.signal(signal.SIGTERM, before)


class LorifyServer(uvicorn.Server):
    """Serves until it is told to end; then what is unfinished after `drain_seconds` is told so before it is cut off."""

    def __init__(self, service: Service, host: str, port: int, ready: Callable[[str], None]) -> None:
        """Listen; arguments and errors as for `run_server`."""
        super().__init__(
            uvicorn.Config(
                create_app(service),
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=service.settings.cut_seconds,
            )
        )
        self._service = service
        self._listener = _listen(host, port)
        self._ready = ready

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve, and close the service at the end."""
        super().run(sockets or [self._listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, and say where."""
        await super().startup(sockets)
        if self.started:
            address, port = self._listener.getsockname()[:2]
            self._ready(f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; the application's own end, which closes the service, comes only after uvicorn has waited."""
        drained = asyncio.create_task(self._service.drain(self._service.settings.drain_seconds))
        await super().shutdown(sockets)
        if self.force_exit:  # by a second Ctrl-C
            await self._service.drain(0)
        await drained


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host} port {port} ({error.strerror}); give another --host or --port"
        ) from error
    return listener
