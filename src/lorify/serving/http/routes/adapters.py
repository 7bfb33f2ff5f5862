"""`/v1/adapters`: create adapters from documents and tasks; list, change, export and delete them."""

from __future__ import annotations

import asyncio
import io
import tempfile
import zipfile
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.datastructures import UploadFile

from lorify.adapters import Adapter
from lorify.adapters.exports.registry import DEFAULT_EXPORT, EXPORTS, ExportFormat
from lorify.base.model import BaseLM
from lorify.contexts.documents import Document
from lorify.errors import RequestError
from lorify.serving.adapter_creation import CreatedAdapter
from lorify.serving.documents.parsing import DocumentParser, safe_text
from lorify.serving.engines.answers import unless_disconnected
from lorify.serving.http.access import OwnerDependency, ServiceDependency
from lorify.serving.http.errors import openapi_errors
from lorify.serving.http.json_bodies import body_schema, read_json
from lorify.serving.http.routes.content_types import FORM, JSON, content_type
from lorify.serving.http.schemas import (
    AdapterChange,
    AdapterDocument,
    AdapterList,
    AdapterObject,
    Deleted,
    NewAdapter,
    NewDocument,
)
from lorify.serving.service import Service
from lorify.serving.storage.index import StoredAdapter

_FILES = {
    "type": "object",
    "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}},
    "required": ["file"],
}

MAX_FORM_FIELDS = 100
"""Limit on the fields of an upload that are no files."""

_CHANGE_ERRORS = {**openapi_errors(413, 415, 429, 503, 507)}

ExportName = Annotated[str, Query(json_schema_extra={"enum": list(EXPORTS)})]

router = APIRouter(prefix="/v1/adapters", tags=["adapters"], responses={**openapi_errors(400, 401, 403, 404, 500)})


@router.post("", status_code=201, responses=_CHANGE_ERRORS, openapi_extra=body_schema(NewAdapter, {FORM: _FILES}))
async def create(
    request: Request,
    service: ServiceDependency,
    owner: OwnerDependency,
    check: Annotated[bool, Query(description="Measure its fidelity afterwards, in the background.")] = False,
) -> AdapterObject:
    """Create an adapter from documents or a task.

    Send documents as JSON text, or upload files in the form field `file`, which can be repeated.
    """
    if content_type(request, JSON, FORM) == FORM:
        documents = await _uploaded(request, service, owner)
    else:
        body = await read_json(request, service, owner, NewAdapter)
        if body.task is not None:
            if check:
                raise RequestError("a task has no statements to check; leave out check", param="check")
            new = await unless_disconnected(request, service.creator.specialize(safe_text(body.task), owner))
            return _created(service, new, owner)
        texts = body.documents or (NewDocument(text=body.text or "", name=body.name or "document"),)
        documents = await _read(request, service, owner, texts)
    new = await unless_disconnected(request, service.creator.internalize(documents, owner))
    if check and new.stored.fidelity is None:
        service.checks.start(new.stored.id, owner, documents)
    return _created(service, new, owner)


@router.get("")
async def list_all(service: ServiceDependency, owner: OwnerDependency) -> AdapterList:
    """List your adapters, oldest first."""
    stored = await asyncio.to_thread(service.store.list, owner)
    return AdapterList(data=[_described(service, adapter, owner) for adapter in stored])


@router.get("/{id}")
async def show(id: str, service: ServiceDependency, owner: OwnerDependency) -> AdapterObject:
    """Describe one adapter: its documents, hypernetwork and size."""
    return _described(service, await asyncio.to_thread(service.store.describe, id, owner), owner)


@router.patch("/{id}", responses=_CHANGE_ERRORS, openapi_extra=body_schema(AdapterChange, {FORM: _FILES}))
async def change(
    id: str,
    request: Request,
    service: ServiceDependency,
    owner: OwnerDependency,
    check: Annotated[
        bool, Query(description="Measure the fidelity of the added documents afterwards, in the background.")
    ] = False,
) -> AdapterObject:
    """Add, replace or remove documents.

    The result is a new adapter with its own id; the old one is deleted.
    """
    await asyncio.to_thread(service.store.describe, id, owner)
    removed: tuple[str, ...] = ()
    if content_type(request, JSON, FORM) == FORM:
        documents = await _uploaded(request, service, owner)
    else:
        body = await read_json(request, service, owner, AdapterChange)
        documents, removed = await _read(request, service, owner, body.add), body.remove
    if check and not documents:
        raise RequestError("there is no added document to check; leave out check", param="check")
    new = await unless_disconnected(request, service.creator.change(id, documents, removed, owner))
    if check:
        service.checks.start(new.stored.id, owner, documents)
    return _created(service, new, owner)


@router.delete("/{id}")
async def delete(id: str, service: ServiceDependency, owner: OwnerDependency) -> Deleted:
    """Delete an adapter."""
    await service.creator.delete(id, owner)
    return Deleted(id=id)


@router.get(
    "/{id}/export",
    response_class=Response,
    responses={200: {"description": "The file.", "content": {"application/zip": {}, "application/octet-stream": {}}}},
)
async def export(
    id: str, service: ServiceDependency, owner: OwnerDependency, format: ExportName = DEFAULT_EXPORT
) -> Response:
    """Export an adapter for other programs.

    A format of one file is returned as that file, a format of several files as a zip archive.
    """
    if format not in EXPORTS:
        raise RequestError(f"unknown format {format!r}; choose from {', '.join(EXPORTS)}", param="format")
    exporter = EXPORTS[format]
    adapter = await asyncio.to_thread(service.store.get, id, owner)
    content = await asyncio.to_thread(_exported, adapter, service.model.base, exporter)
    kind = "application/zip" if exporter.suffix is None else "application/octet-stream"
    headers = {"Content-Disposition": f'attachment; filename="{id}{exporter.suffix or ".zip"}"'}
    return Response(content, media_type=kind, headers=headers)


def _exported(adapter: Adapter, base: BaseLM, exporter: ExportFormat) -> bytes:
    with tempfile.TemporaryDirectory(prefix="lorify-") as temporary:
        path = Path(temporary) / "adapter"
        exporter.export(adapter, base, path, probe=False)
        if exporter.suffix is not None:
            return path.read_bytes()
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for part in sorted(path.iterdir()):
                archive.write(part, part.name)
        return content.getvalue()


def _created(service: Service, new: CreatedAdapter, owner: str) -> AdapterObject:
    """JSON object of an adapter in the response to the request that created it."""
    described = _described(service, new.stored, owner)
    return described.model_copy(update={"seconds": round(new.seconds, 3), "reused": new.reused})


def _described(service: Service, stored: StoredAdapter, owner: str) -> AdapterObject:
    """JSON object of an adapter."""
    provenance = stored.provenance
    return AdapterObject(
        id=stored.id,
        model=f"{service.base_id}:{stored.id}",
        created=int(datetime.fromisoformat(stored.created).timestamp()),
        num_bytes=stored.num_bytes,
        documents=[
            AdapterDocument(name=record.name, sha256=record.digest, num_tokens=record.num_tokens)
            for record in stored.documents
        ],
        hypernetwork=provenance.hypernetwork,
        hypernetwork_sha256=provenance.hypernetwork_digest,
        base=service.base_id,
        base_sha256=provenance.base_digest,
        fidelity=stored.fidelity,
        checking=service.checks.is_checking(stored.id, owner),
    )


async def _read(request: Request, service: Service, owner: str, texts: Sequence[NewDocument]) -> list[Document]:
    """Read documents sent as text."""
    sources = [service.documents.text_source(text.text, text.name) for text in texts]
    return await unless_disconnected(request, service.documents.read(sources, owner))


async def _uploaded(request: Request, service: Service, owner: str) -> list[Document]:
    """Read documents sent as files."""
    async with request.form(max_files=service.settings.max_documents, max_fields=MAX_FORM_FIELDS) as form:
        # Clients send other fields too, such as OpenAI's `purpose`, and some call the file `files` or `file[]`.
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        if not files:
            raise RequestError("the form has no file; send each document as a file in the field `file`", param="file")
        sources = [partial(_parse, service.documents.parser, file) for file in files]
        return await unless_disconnected(request, service.documents.read(sources, owner))


def _parse(parser: DocumentParser, upload: UploadFile) -> Document:
    return parser.parse(upload.file.read(), upload.filename or "document")
