"""Middleware that takes paths as clients join them: with a slash at the end, or two between its parts."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class TidyPaths:
    """Routes `/v1//models/` as `/v1/models`. A redirect would not do: many clients do not follow it for a POST."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "http" and (scope["path"].endswith("/") or "//" in scope["path"]):
            scope = {**scope, "path": "/" + "/".join(part for part in scope["path"].split("/") if part)}
        await self._app(scope, receive, send)
