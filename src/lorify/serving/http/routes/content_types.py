"""Kinds of request bodies."""

from __future__ import annotations

from fastapi import Request

from lorify.errors import RequestError

JSON = "application/json"
FORM = "multipart/form-data"


def content_type(request: Request, *taken: str) -> str:
    """What kind of body a request has.

    Raises:
        RequestError: if it is none of those taken.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in taken:
        raise RequestError(
            f"content type {kind!r} is not taken; send {' or '.join(taken)}", code="unsupported_content_type"
        )
    return kind


def takes_json(request: Request) -> None:
    """For FastAPI's `dependencies`: a route reads JSON alone."""
    content_type(request, JSON)
