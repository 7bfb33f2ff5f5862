"""The application: routes, guards and errors put together around a service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from lorify.serving.http.errors import install_error_handlers
from lorify.serving.http.guards import BodyLimit, LocalOnly
from lorify.serving.http.metrics import CountRequests, Metrics
from lorify.serving.http.routes import adapters, generation, operations
from lorify.serving.http.schemas import NewDocument
from lorify.serving.service import Service

FORM_OVERHEAD_BYTES = 1 << 20
"""What a request may have besides its documents."""


def create_app(service: Service) -> FastAPI:
    """The application for one service, which it closes at its end."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await service.close()

    # FastAPI's own pages of documentation fetch scripts from elsewhere.
    app = FastAPI(title="lorify", version=version("lorify"), docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.service = service
    metrics = Metrics(service)
    for router in (generation.router, adapters.router, operations.router, operations.metrics_router(metrics)):
        app.include_router(router)
    install_error_handlers(app)
    app.add_middleware(BodyLimit, max_bytes=service.settings.max_upload_bytes + FORM_OVERHEAD_BYTES)
    if service.keys is None:
        app.add_middleware(LocalOnly)
    app.add_middleware(CountRequests, metrics=metrics)
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    """Make the OpenAPI document say what is true here and FastAPI does not know."""
    document: dict[str, Any] = app.openapi()
    components = document["components"]["schemas"]
    components[NewDocument.__name__] = NewDocument.model_json_schema()
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    for path in document["paths"].values():
        for operation in path.values():
            # Bad bodies and parameters are answered with 400, in OpenAI's form.
            if operation["responses"].pop("422", None) is not None:
                error = {"schema": {"$ref": "#/components/schemas/ErrorBody"}}
                operation["responses"].setdefault(
                    "400", {"description": "Bad Request", "content": {"application/json": error}}
                )
