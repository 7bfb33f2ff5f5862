"""The owner of a request's API key, found from the headers before anything else is read; dependencies of the routes.

The number of requests a second is limited here as well, since it is counted by owner.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lorify.errors import AccessError, BusyError, ForbiddenError
from lorify.serving.http.errors import lorify_error_response
from lorify.serving.limits.rates import RateLimit
from lorify.serving.service import LOCAL_OWNER, Service
from lorify.serving.storage.keys import ApiKeys

OPEN_PATHS = frozenset({"/", "/health", "/openapi.json"})
"""Paths that need no key, beside those of the page's files."""
PAGE_PATH = "/page/"
NO_OWNER = ""
"""Owner of requests to paths that need no key."""

REFUSED_COST = 5
"""Requests that one counts as which the server was too busy for: a client that ignores `Retry-After` goes on asking."""

_KEY_LINE = re.compile(rb"^authorization:[ \t]*bearer[ \t]+(\S+)", re.IGNORECASE | re.MULTILINE)

# Dependencies are coroutines: FastAPI calls plain functions in threads, several for each request.
# This one only describes the key in the OpenAPI document; `RequireKey` checks it.
_bearer = HTTPBearer(auto_error=False, description="An API key created with `lorify keys create`.")


async def service_of(request: Request) -> Service:
    """Return the service behind the application."""
    return request.app.state.service


ServiceDependency = Annotated[Service, Depends(service_of)]


class RequireKey:
    """Middleware that refuses requests without a known key before their bodies are read, on all but open paths.

    It also limits how many requests a second it lets through: of each of several keys, and of each address without one.
    """

    def __init__(self, app: ASGIApp, keys: ApiKeys, max_requests_per_second: float) -> None:
        """Wrap an application.

        Args:
            app: the application.
            keys: accepted keys.
            max_requests_per_second: limit for each key, if there are several, and for each address without a key.
        """
        self._app = app
        self._keys = keys
        at_once = max(1, int(2 * max_requests_per_second))
        self._by_key = RateLimit(max_requests_per_second, at_once) if len(keys) > 1 else None
        self._by_address = RateLimit(max_requests_per_second, at_once)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "http":
            key = _key(scope)
            owner = None if key is None else self._keys.owner_of(key)
            try:
                send = await self._in_turn(owner, scope, send)
                scope.setdefault("state", {})["owner"] = _allowed(owner, key, scope["path"])
            except (AccessError, BusyError) as error:
                response = lorify_error_response(error)
                if isinstance(error, BusyError):  # what else has been sent on this connection would be refused as well
                    response.headers["Connection"] = "close"
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _in_turn(self, owner: str | None, scope: Scope, send: Send) -> Send:
        """Wait until a request is within the rate of its owner, or of its address if that is None.

        Returns:
            `send`, which notes whether the request is refused.

        Raises:
            BusyError: if that takes too long.
        """
        limit = self._by_address if owner is None else self._by_key
        if limit is None:
            return send
        counted = (scope.get("client") or ("",))[0] if owner is None else owner
        await limit.turn(counted)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.TOO_MANY_REQUESTS:
                limit.take(counted, REFUSED_COST - 1)
            await send(message)

        return noting


def _key(scope: Scope) -> str | None:
    scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


def connection_owner(keys: ApiKeys | None, address: str, sent: bytes) -> str:
    """Return who a new connection counts for: the owner of its first request's key, else its address.

    Args:
        keys: accepted keys; None for a server without.
        address: where the connection comes from.
        sent: headers of its first request, and what else has arrived.
    """
    found = _KEY_LINE.search(sent) if keys is not None else None
    owner = keys.owner_of(found[1].decode("latin-1")) if keys is not None and found else None
    return f"address {address}" if owner is None else f"key {owner}"


def _allowed(owner: str | None, key: str | None, path: str) -> str:
    """Return for whom a path is requested: the owner, or `NO_OWNER` on open paths; raises an AccessError."""
    if path in OPEN_PATHS or path.startswith(PAGE_PATH):
        return NO_OWNER
    if key is None:
        raise AccessError("the request has no API key; send one as `Authorization: Bearer KEY`")
    if owner is None:
        raise AccessError("the API key is unknown; check it, or create one with `lorify keys create`")
    return owner


def scope_owner(scope: Scope) -> str:
    """Return the owner that `RequireKey` found; `LOCAL_OWNER` on a server without keys."""
    return scope.get("state", {}).get("owner", LOCAL_OWNER)


async def owner_of(request: Request, _credentials: Annotated[object, Depends(_bearer)]) -> str:
    """Return the owner of a request's API key; `LOCAL_OWNER` on a server without keys."""
    owner = scope_owner(request.scope)
    assert owner != NO_OWNER, "a route that needs an owner is on an open path"
    return owner


OwnerDependency = Annotated[str, Depends(owner_of)]


async def require_operator(service: ServiceDependency, owner: OwnerDependency) -> None:
    """Refuse what concerns all owners to keys of a single one; for FastAPI's `dependencies`.

    Raises:
        ForbiddenError: if the server has keys and the request's is not an operator's.
    """
    if service.keys is not None and not service.keys.is_operator(owner):
        raise ForbiddenError(
            "only an operator's API key may read the metrics; create one with `lorify keys create NAME --operator`"
        )
