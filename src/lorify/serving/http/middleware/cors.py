"""Cross-origin requests: which web pages of other origins may use the server."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

ANY_ORIGIN = "*"


def allow_origins(app: FastAPI, origins: Sequence[str]) -> None:
    """Answer preflight requests from these origins and let their pages read the responses."""
    # Keys are sent in a header, not in cookies, so credentials stay off.
    app.add_middleware(
        CORSMiddleware, allow_origins=list(origins), allow_methods=["*"], allow_headers=["*"], expose_headers=["*"]
    )
