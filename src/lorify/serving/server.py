"""The process that serves: listening, logging, and ending gracefully."""

from __future__ import annotations

import math
import signal
import socket
from collections.abc import Callable

import uvicorn

from lorify.errors import ConfigError
from lorify.serving.app import create_app
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
    listener = _listen(host, port)
    address, port = listener.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    config = uvicorn.Config(
        create_app(service),
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=math.ceil(service.settings.drain_seconds),
    )
    server = _Server(config, lambda: ready(f"http://{shown}:{port}"))
    # uvicorn sends itself a signal once more when it has ended, and gives it to whoever had it before.
    before = signal.signal(signal.SIGTERM, server.handle_exit)
    try:
        server.run(sockets=[listener])
    finally:
        signal.signal(signal.SIGTERM, before)


class _Server(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


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
