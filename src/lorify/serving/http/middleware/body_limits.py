"""Middleware that limits request bodies: their size, the time they take to arrive, and the memory of all together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lorify.errors import BusyError
from lorify.serving.http.errors import error_response, lorify_error_response
from lorify.serving.http.middleware.access import scope_owner
from lorify.serving.limits.held_bytes import HeldBytes
from lorify.serving.limits.sharing import owner_limit
from lorify.serving.settings import ServingSettings

UPLOAD_PATH = "/v1/adapters"
FORM_OVERHEAD_BYTES = 1 << 20
"""Size limit of a request with documents beyond that of the documents."""
MIN_BYTES_PER_SECOND = 16 << 10


class _Body:
    """One request body: what has arrived of it, and what is counted for it."""

    def __init__(self, received: HeldBytes, owner: str, max_bytes: int, declared: int | None) -> None:
        self._received = received
        self._owner = owner
        self._max_bytes = max_bytes
        self._declared = declared
        self._held = 0
        self.num_bytes = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a declared size from the start, another one as it arrives, until the request has ended."""
        try:
            if self._declared:
                self._hold(self._declared)
            yield
        finally:
            self._received.release(self._owner, self._held)

    def add(self, num_bytes: int) -> None:
        """Count a part that has arrived; raises an HTTPException if it is too much."""
        self.num_bytes += num_bytes
        if self.num_bytes > self._max_bytes:
            raise HTTPException(413, too_large(self._max_bytes))
        if self.num_bytes > self._held:
            try:
                self._hold(self.num_bytes - self._held)
            except BusyError as error:
                raise HTTPException(429, str(error), {"Retry-After": str(error.retry_after_seconds)}) from error

    def _hold(self, num_bytes: int) -> None:
        self._received.hold(self._owner, num_bytes)
        self._held += num_bytes


class LimitBodies:
    """Refuses bodies that are too large, too many at once or too slow.

    A body that declares its size is refused before any of it is read.
    """

    def __init__(self, app: ASGIApp, settings: ServingSettings, max_share: float) -> None:
        """Wrap an application.

        Args:
            app: the application.
            settings: limits.
            max_share: share of the memory for bodies that one owner may take, 0 to 1.
        """
        self._app = app
        self._settings = settings
        max_bytes = settings.max_received_bytes
        self._received = HeldBytes("requests being received", max_bytes, owner_limit(max_bytes, max_share))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        max_bytes = self._max_bytes(scope["path"])
        length = Headers(scope=scope).get("content-length", "")
        declared = int(length) if length.isdecimal() else None
        if declared is not None and declared > max_bytes:
            refused = error_response(413, too_large(max_bytes), type="invalid_request_error", code="too_large")
            await refused(scope, receive, send)
            return
        body = _Body(self._received, scope_owner(scope), max_bytes, declared)
        try:
            with body.counted():
                await self._app(scope, self._limited(receive, body), send)
        except BusyError as error:
            await lorify_error_response(error)(scope, receive, send)

    def _max_bytes(self, path: str) -> int:
        if path == UPLOAD_PATH or path.startswith(f"{UPLOAD_PATH}/"):
            return self._settings.max_upload_bytes + FORM_OVERHEAD_BYTES
        return self._settings.max_request_bytes

    def _limited(self, receive: Receive, body: _Body) -> Receive:
        started = asyncio.get_running_loop().time()
        complete = False

        async def limited() -> Message:
            nonlocal complete
            if complete:  # from now on this waits for the client to disconnect
                return await receive()
            deadline = started + self._settings.body_seconds + body.num_bytes / MIN_BYTES_PER_SECOND
            try:
                async with asyncio.timeout_at(deadline):
                    part = await receive()
            except TimeoutError as error:
                raise HTTPException(
                    408, f"the request body arrives too slowly ({body.num_bytes:,} bytes so far); send it faster"
                ) from error
            complete = part["type"] != "http.request" or not part.get("more_body", False)
            body.add(len(part.get("body", b"")))
            return part

        return limited


def too_large(max_bytes: int) -> str:
    """Message for a body that exceeds the limit."""
    return f"the request body has more than {max_bytes:,} bytes; send less at once"
