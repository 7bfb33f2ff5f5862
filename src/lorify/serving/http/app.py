"""The application: routes, middleware and error handlers around a service."""

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
"""Size limit of a request beyond that of its documents."""


def create_app(service: Service) -> FastAPI:
    """Build the application for a service; the service is closed when the application shuts down."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await service.close()

    # No docs pages: FastAPI's fetch scripts from other hosts.
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
    _correct_openapi(app)
    return app


def _correct_openapi(app: FastAPI) -> None:
    """Correct what FastAPI's OpenAPI document gets wrong about this application."""
    document: dict[str, Any] = app.openapi()
    components = document["components"]["schemas"]
    components[NewDocument.__name__] = NewDocument.model_json_schema()
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    for path in document["paths"].values():
        for operation in path.values():
            # Invalid bodies and parameters get 400 and OpenAI's error body, not FastAPI's 422.
            if operation["responses"].pop("422", None) is not None:
                error = {"schema": {"$ref": "#/components/schemas/ErrorBody"}}
                operation["responses"].setdefault(
                    "400", {"description": "Bad Request", "content": {"application/json": error}}
                )
