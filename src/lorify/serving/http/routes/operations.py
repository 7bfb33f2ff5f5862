"""`/v1/models`, `/health`, `/metrics` and the page."""

from __future__ import annotations

import asyncio
from datetime import datetime
from importlib.resources import files

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from lorify.errors import UnknownAdapterError
from lorify.serving.http.errors import openapi_errors
from lorify.serving.http.metrics import Metrics
from lorify.serving.http.middleware.access import OwnerDependency, ServiceDependency, require_operator
from lorify.serving.http.schemas.lorify_routes import Health, ModelList, ModelObject
from lorify.serving.service import Service, unknown_model
from lorify.serving.storage.index import StoredAdapter

PAGE_FILES = {
    "index.html": "text/html",
    "icon.svg": "image/svg+xml",
    "style.css": "text/css",
    "app.js": "text/javascript",
    "api.js": "text/javascript",
    "adapters.js": "text/javascript",
    "chat.js": "text/javascript",
    "elements.js": "text/javascript",
    "jobs.js": "text/javascript",
    "tasks.js": "text/javascript",
}
# Nothing from other hosts and nothing inline, so that the text of a document cannot run as part of the page.
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

router = APIRouter(responses={**openapi_errors(403)})


@router.get("/v1/models", tags=["models"], responses={**openapi_errors(401)})
async def models(service: ServiceDependency, owner: OwnerDependency) -> ModelList:
    """List the base and each of your adapters on it."""
    stored = await asyncio.to_thread(service.store.list, owner)
    return ModelList(data=[_base(service), *[_adapter(service, adapter, owner) for adapter in stored]])


@router.get("/v1/models/{model:path}", tags=["models"], responses={**openapi_errors(401, 404)})
async def model(model: str, service: ServiceDependency, owner: OwnerDependency) -> ModelObject:
    """Describe one model."""
    id = service.adapter_id(model)
    if id is None:
        return _base(service)
    try:
        return _adapter(service, await asyncio.to_thread(service.store.describe, id, owner), owner)
    except UnknownAdapterError as error:
        raise unknown_model(model, service.base_id) from error


def _base(service: Service) -> ModelObject:
    return ModelObject(id=service.base_id, created=0, owned_by="lorify")


def _adapter(service: Service, adapter: StoredAdapter, owner: str) -> ModelObject:
    created = int(datetime.fromisoformat(adapter.created).timestamp())
    return ModelObject(id=f"{service.base_id}:{adapter.id}", created=created, owned_by=owner)


@router.head("/health", include_in_schema=False)
@router.get("/health", tags=["operations"], responses={503: {"model": Health}})
async def health(service: ServiceDependency) -> Response:
    """Report whether the server can answer. Needs no API key."""
    status, healthy = service.engine.status(), await service.engine.is_healthy()
    report = Health(
        status="ok" if healthy else "failing",
        base=service.base_id,
        engine=service.engine_name,
        running=status.running,
        waiting=status.waiting,
        can_specialize=service.can_specialize,
        has_bias_adapter=service.has_option("bias_scale"),
        needs_key=service.keys is not None,
    )
    return JSONResponse(report.model_dump(), 200 if healthy else 503)


def metrics_router(metrics: Metrics) -> APIRouter:
    """Build the route `/metrics`. On a server with API keys it needs an operator's."""
    metrics_routes = APIRouter()

    @metrics_routes.get(
        "/metrics",
        tags=["operations"],
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, **openapi_errors(401, 403)},
        dependencies=[Depends(require_operator)],
    )
    async def show() -> Response:
        """Report counters and timings in the Prometheus format."""
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return metrics_routes


@router.head("/", include_in_schema=False)
@router.get("/", include_in_schema=False)
async def index() -> Response:
    """Serve the page."""
    return _page_file("index.html")


@router.get("/page/{name}", include_in_schema=False)
async def page_file(name: str) -> Response:
    """Serve a file of the page."""
    if name not in PAGE_FILES:
        raise HTTPException(404, f"the page has no file {name!r}")
    return _page_file(name)


def _page_file(name: str) -> Response:
    content = (files("lorify.serving.http") / "page" / name).read_bytes()
    return Response(content, media_type=PAGE_FILES[name], headers=_PAGE_HEADERS)
