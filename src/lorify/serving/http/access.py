"""Who asks: the service behind a request, and the owner of its API key."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from lorify.errors import AccessError
from lorify.serving.service import LOCAL_OWNER, Service

_bearer = HTTPBearer(auto_error=False, description="An API key, as `lorify keys create` shows it.")


def service_of(request: Request) -> Service:
    """The service that the application was made for."""
    return request.app.state.service


ServiceDependency = Annotated[Service, Depends(service_of)]


def owner_of(
    service: ServiceDependency, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str:
    """Name of the key that a request has.

    Raises:
        AccessError: if the server has keys and this is none of them.
    """
    if service.keys is None:
        return LOCAL_OWNER
    if credentials is None:
        raise AccessError("there is no API key; send it as `Authorization: Bearer KEY`")
    owner = service.keys.owner_of(credentials.credentials)
    if owner is None:
        raise AccessError("the API key is not known; check it, or have one made with `lorify keys create`")
    return owner


OwnerDependency = Annotated[str, Depends(owner_of)]
