"""The application: routes, middleware and error handlers around a service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from lorify.serving.http.errors import install_error_handlers
from lorify.serving.http.json_bodies import add_body_schemas
from lorify.serving.http.metrics import CountRequests, Metrics
from lorify.serving.http.middleware.access import RequireKey
from lorify.serving.http.middleware.body_limits import LimitBodies
from lorify.serving.http.middleware.cors import allow_origins
from lorify.serving.http.middleware.guards import EndAtShutdown, LocalOnly
from lorify.serving.http.paths import TidyPaths
from lorify.serving.http.routes import adapters, choices, generation, jobs, operations, responses
from lorify.serving.http.schemas.chat import ChatRequest
from lorify.serving.http.schemas.generation import CompletionRequest
from lorify.serving.http.schemas.lorify_routes import AdapterChange, AdapterLabel, ChoiceRequest, NewAdapter
from lorify.serving.http.schemas.responses import ResponsesRequest
from lorify.serving.service import Service


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
    for module in (generation, choices, responses, adapters, jobs, operations):
        app.include_router(module.router)
    app.include_router(operations.metrics_router(metrics))
    install_error_handlers(app)
    # The last one added sees a request first.
    app.add_middleware(LimitBodies, settings=service.settings, max_share=service.key_share)
    if service.keys is None:
        app.add_middleware(LocalOnly, cors_origins=service.settings.cors_origins)
    else:
        rate = service.settings.max_requests_per_second
        app.add_middleware(RequireKey, keys=service.keys, max_requests_per_second=rate)
    if service.settings.cors_origins:
        allow_origins(app, service.settings.cors_origins)
    app.add_middleware(TidyPaths)
    app.add_middleware(CountRequests, metrics=metrics)
    app.add_middleware(EndAtShutdown)
    _correct_openapi(app)
    return app


def _correct_openapi(app: FastAPI) -> None:
    """Correct what FastAPI's OpenAPI document gets wrong about this application."""
    document: dict[str, Any] = app.openapi()
    components = document["components"]["schemas"]
    add_body_schemas(
        components,
        ChatRequest,
        CompletionRequest,
        ResponsesRequest,
        ChoiceRequest,
        NewAdapter,
        AdapterChange,
        AdapterLabel,
    )
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
