"""Routes of OpenAI's API that lorify does not have: status 404 with a hint, since clients try them."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from lorify.serving.http.errors import error_response

HINTS = {
    "/v1/embeddings": "lorify does not serve embeddings; use another server for them, or internalize the documents "
    "with POST /v1/adapters, which needs none",
    "/v1/files": "lorify keeps no files; send documents to POST /v1/adapters",
    "/v1/moderations": "lorify does not moderate texts; use another server for it",
    "/v1/images/generations": "lorify generates text only; use another server for images",
    "/v1/audio/speech": "lorify generates text only; use another server for speech",
    "/v1/audio/transcriptions": "lorify reads text only; use another server for speech",
}
"""Path -> what to do instead."""

router = APIRouter(include_in_schema=False)


def _add(path: str, hint: str) -> None:
    @router.api_route(path, methods=["GET", "POST"])
    async def absent() -> Response:
        return error_response(404, hint, type="invalid_request_error", code="not_supported")


for _path, _hint in HINTS.items():
    _add(_path, _hint)
