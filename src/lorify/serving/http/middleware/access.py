"""The owner of a request's API key, found from the headers before anything else is read; dependencies of the routes."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from lorify.errors import AccessError, ForbiddenError
from lorify.serving.http.errors import lorify_error_response
from lorify.serving.service import LOCAL_OWNER, Service
from lorify.serving.storage.keys import ApiKeys

OPEN_PATHS = frozenset({"/", "/health", "/openapi.json"})
"""Paths that need no key, beside those of the page's files."""
PAGE_PATH = "/page/"
NO_OWNER = ""
"""Owner of requests to paths that need no key."""

# It only describes the key in the OpenAPI document; `RequireKey` checks it.
_bearer = HTTPBearer(auto_error=False, description="An API key created with `lorify keys create`.")


def service_of(request: Request) -> Service:
    """Return the service behind the application."""
    return request.app.state.service


ServiceDependency = Annotated[Service, Depends(service_of)]


class RequireKey:
    """Middleware that refuses requests without a known key before their bodies are read, on all but open paths."""

    def __init__(self, app: ASGIApp, keys: ApiKeys) -> None:
        """Wrap an application; `keys` are accepted."""
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "http":
            try:
                scope.setdefault("state", {})["owner"] = self._owner(scope)
            except AccessError as error:
                await lorify_error_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _owner(self, scope: Scope) -> str:
        if scope["path"] in OPEN_PATHS or scope["path"].startswith(PAGE_PATH):
            return NO_OWNER
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise AccessError("the request has no API key; send one as `Authorization: Bearer KEY`")
        owner = self._keys.owner_of(key.strip())
        if owner is None:
            raise AccessError("the API key is unknown; check it, or create one with `lorify keys create`")
        return owner


def scope_owner(scope: Scope) -> str:
    """Return the owner that `RequireKey` found; `LOCAL_OWNER` on a server without keys."""
    return scope.get("state", {}).get("owner", LOCAL_OWNER)


def owner_of(request: Request, _credentials: Annotated[object, Depends(_bearer)]) -> str:
    """Return the owner of a request's API key; `LOCAL_OWNER` on a server without keys."""
    owner = scope_owner(request.scope)
    assert owner != NO_OWNER, "a route that needs an owner is on an open path"
    return owner


OwnerDependency = Annotated[str, Depends(owner_of)]


def require_operator(service: ServiceDependency, owner: OwnerDependency) -> None:
    """Refuse what concerns all owners to keys of a single one; for FastAPI's `dependencies`.

    Raises:
        ForbiddenError: if the server has keys and the request's is not an operator's.
    """
    if service.keys is not None and not service.keys.is_operator(owner):
        raise ForbiddenError(
            "only an operator's API key may read the metrics; create one with `lorify keys create NAME --operator`"
        )
