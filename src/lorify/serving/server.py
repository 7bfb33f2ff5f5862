"""Run the application: listen, handle signals, and shut down gracefully."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import socket
from collections.abc import Callable
from functools import partial

import uvicorn

from lorify.errors import ConfigError
from lorify.serving.http.acceptor import MAX_PENDING, Acceptor
from lorify.serving.http.app import create_app
from lorify.serving.http.arrivals import MAX_ARRIVING
from lorify.serving.http.middleware.access import connection_owner
from lorify.serving.http.middleware.connections import ConnectionConfig, LimitedProtocol
from lorify.serving.limits.memory import release_free_memory
from lorify.serving.limits.rates import RateLimit
from lorify.serving.service import Service

CONNECTIONS_PER_SECOND = 100.0
CONNECTIONS_AT_ONCE = 200
RELEASE_SECONDS = 5.0
"""Time between two returns of free memory to the system."""
OTHER_FILES = 256 + MAX_ARRIVING + MAX_PENDING
"""Open files beside connections: those that are not started yet, the store, adapters, parsers and the like."""

_log = logging.getLogger(__name__)


def run_server(service: Service, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish running answers.

    After SIGTERM this returns normally; SIGINT raises KeyboardInterrupt.

    Args:
        service: the service; it is closed at the end.
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        ready: called with the server's URL once it accepts requests.

    Raises:
        ConfigError: if it cannot listen on the address.
    """
    server = LorifyServer(service, host, port, ready)
    # At its end uvicorn restores the previous handlers and raises the signals it caught again.
    previous = signal.signal(signal.SIGTERM, server.handle_exit)
    try:
        server.run()
    finally:
        signal.signal(signal.SIGTERM, previous)


class LorifyServer(uvicorn.Server):
    """A uvicorn server that drains the service on shutdown, so that unfinished requests get an error before the end."""

    def __init__(self, service: Service, host: str, port: int, ready: Callable[[str], None]) -> None:
        """Open the socket; arguments and errors as for `run_server`."""
        super().__init__(
            ConnectionConfig(
                create_app(service),
                service.settings,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=service.settings.cut_seconds,
            )
        )
        _allow_open_files(service.settings.max_connections)
        self._service = service
        self._listener = _listen(host, port)
        self._ready = ready

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until shutdown; the application then closes the service."""
        super().run(sockets or [])  # none for uvicorn: connections are accepted by an acceptor

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and call `ready`."""
        await super().startup(sockets)
        rate = RateLimit(CONNECTIONS_PER_SECOND, CONNECTIONS_AT_ONCE)
        header_seconds = self._service.settings.header_seconds
        owner_of = partial(connection_owner, self._service.keys)
        self._acceptor = Acceptor(self._listener, self._build_protocol, rate, header_seconds, owner_of)
        self._releasing = asyncio.create_task(self._release_memory())
        if self.started:
            address, port = self._listener.getsockname()[:2]
            self._ready(f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}")

    def _build_protocol(self, sent: bytes) -> asyncio.Protocol:
        return LimitedProtocol(self.config, self.server_state, self.lifespan.state, sent)

    async def _release_memory(self) -> None:
        """Return free memory to the system now and then, if there were requests."""
        num_requests = 0
        while True:
            await asyncio.sleep(RELEASE_SECONDS)
            if self.server_state.total_requests != num_requests:
                num_requests = self.server_state.total_requests
                await asyncio.to_thread(release_free_memory)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down, draining the service while uvicorn waits for connections to end."""
        self._releasing.cancel()
        self._acceptor.close()
        draining = asyncio.create_task(self._service.drain(self._service.settings.drain_seconds))
        await super().shutdown(sockets)
        if self.force_exit:  # set by a second Ctrl-C
            await self._service.drain(0)
        await draining


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns off Nagle's algorithm only for sockets whose protocol is given; with it, a response on a keep-alive
    # connection waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host} port {port} ({error.strerror}); give another --host or --port"
        ) from error
    return listener


def _allow_open_files(num_connections: int) -> None:
    """Raise this process's limit on open files, so that connections leave enough for everything else."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = num_connections + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        reachable = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
        if reachable < wanted:
            _log.warning(
                "the system allows %d open files, and max_connections=%d needs %d; lower it or raise the limit with "
                "`ulimit -n`",
                reachable,
                num_connections,
                wanted,
            )
