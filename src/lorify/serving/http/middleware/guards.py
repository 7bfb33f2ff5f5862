"""Middleware that refuses requests by their origin before any route sees them, and ends them at shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lorify.errors import ClosingError
from lorify.serving.http.errors import error_response, lorify_error_response
from lorify.serving.http.middleware.cors import ANY_ORIGIN
from lorify.serving.storage.keys import is_loopback


class LocalOnly:
    """Refuses requests from other sites; for a server without API keys.

    Any website open in a browser on this machine can send requests to a server on the loopback. Such requests have a
    foreign `Origin`, or, with DNS rebinding, a foreign `Host`.
    """

    def __init__(self, app: ASGIApp, cors_origins: Collection[str] = ()) -> None:
        """Wrap an application.

        Args:
            app: the application.
            cors_origins: origins whose pages may send requests; `*` stands for all.
        """
        self._app = app
        self._cors_origins = cors_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host, origin = headers.get("host", ""), headers.get("origin")
            allowed = origin in self._cors_origins or ANY_ORIGIN in self._cors_origins
            foreign = origin is not None and origin.partition("://")[2] != host and not allowed
            if foreign or not is_loopback(_host_name(host)):
                message = (
                    "a server without API keys only answers requests from this machine; start it with --keys, or for a "
                    "web page of another origin with --cors-origin"
                )
                response = error_response(403, message, type="permission_error", code="not_local")
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)


class EndAtShutdown:
    """Answers requests that are cut off when the server ends: those whose clients have not sent all of them yet."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noting if scope["type"] == "http" else send)
        except asyncio.CancelledError:  # uvicorn would log its traceback
            if scope["type"] == "http" and not started:
                error = ClosingError("the server is shutting down; send the request again in a moment")
                await lorify_error_response(error)(scope, receive, send)


def _host_name(host: str) -> str:
    """Return a `Host` header without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
