"""Dependencies of the routes: the service, and the owner of a request's API key."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from lorify.errors import AccessError
from lorify.serving.service import LOCAL_OWNER, Service

_bearer = HTTPBearer(auto_error=False, description="An API key created with `lorify keys create`.")


def service_of(request: Request) -> Service:
    """Return the service behind the application."""
    return request.app.state.service


ServiceDependency = Annotated[Service, Depends(service_of)]


def owner_of(
    service: ServiceDependency, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str:
    """Return the owner of a request's API key; `LOCAL_OWNER` on a server without keys.

    Raises:
        AccessError: if the server has keys and the request has none of them.
    """
    if service.keys is None:
        return LOCAL_OWNER
    if credentials is None:
        raise AccessError("the request has no API key; send one as `Authorization: Bearer KEY`")
    owner = service.keys.owner_of(credentials.credentials)
    if owner is None:
        raise AccessError("the API key is unknown; check it, or create one with `lorify keys create`")
    return owner


OwnerDependency = Annotated[str, Depends(owner_of)]
