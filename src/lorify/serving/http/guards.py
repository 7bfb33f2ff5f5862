"""Middleware that refuses requests by their size and origin before any route sees them."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lorify.serving.http.errors import error_response
from lorify.serving.storage.keys import is_loopback


class BodyLimit:
    """Refuses large bodies: before reading them if they declare their size, else while they arrive."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        """Wrap an application.

        Args:
            app: the application.
            max_bytes: limit on a request body.
        """
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        message = f"the request body has more than {self._max_bytes:,} bytes; send less at once"
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self._max_bytes:
            response = error_response(413, message, type="invalid_request_error", code="too_large")
            await response(scope, receive, send)
            return
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            part = await receive()
            seen += len(part.get("body", b""))
            if seen > self._max_bytes:
                raise HTTPException(413, message)
            return part

        await self._app(scope, limited, send)


class LocalOnly:
    """Refuses requests from other sites; for a server without API keys.

    Any website open in a browser on this machine can send requests to a server on the loopback. Such requests have a
    foreign `Origin`, or, with DNS rebinding, a foreign `Host`.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host, origin = headers.get("host", ""), headers.get("origin")
            foreign = origin is not None and origin.partition("://")[2] != host
            if foreign or not is_loopback(_host_name(host)):
                message = "a server without API keys only answers requests from this machine; start it with --keys"
                response = error_response(403, message, type="permission_error", code="not_local")
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _host_name(host: str) -> str:
    """Return a `Host` header without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
