"""Content types of request bodies."""

from __future__ import annotations

from fastapi import Request

from lorify.errors import RequestError

JSON = "application/json"
FORM = "multipart/form-data"


def content_type(request: Request, *accepted: str) -> str:
    """Return the content type of a request.

    Raises:
        RequestError: if it is not one of `accepted`.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in accepted:
        raise RequestError(
            f"content type {kind!r} is not supported; send {' or '.join(accepted)}", code="unsupported_content_type"
        )
    return kind


async def require_json(request: Request) -> None:
    """Refuse bodies that are not JSON; for FastAPI's `dependencies`."""
    content_type(request, JSON)
