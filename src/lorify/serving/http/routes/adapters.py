"""`/v1/adapters`: create adapters from documents and tasks; list, change, export and delete them."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import zipfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from lorify.adapters import Adapter
from lorify.adapters.exports.registry import DEFAULT_EXPORT, EXPORTS
from lorify.cancellation import CancelToken
from lorify.errors import RequestError
from lorify.facade import Lorify
from lorify.hypernets.options import InternalizerOptions
from lorify.hypernets.task_refinement.task_examples import TaskExample
from lorify.serving.adapters.creation import CreatedAdapter, Follow
from lorify.serving.adapters.jobs import Work
from lorify.serving.adapters.tasks import TaskOrder, task_order
from lorify.serving.documents.parsing import safe_text
from lorify.serving.engines.answers import unless_disconnected
from lorify.serving.http.adapter_objects import adapter_object, created_adapter_object, job_object
from lorify.serving.http.errors import openapi_errors
from lorify.serving.http.json_bodies import body_schema, read_json
from lorify.serving.http.middleware.access import OwnerDependency, ServiceDependency
from lorify.serving.http.routes.content_types import FORM, JSON, content_type
from lorify.serving.http.routes.jobs import JOBS_PATH
from lorify.serving.http.routes.temporary_file import TemporaryFile
from lorify.serving.http.schemas.lorify_routes import (
    AdapterChange,
    AdapterLabel,
    AdapterList,
    AdapterObject,
    Deleted,
    JobObject,
    NewAdapter,
    UploadOptions,
)
from lorify.serving.http.sent_documents import SentDocuments
from lorify.serving.service import Service

_FILES = {
    "type": "object",
    "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1}},
    "required": ["file"],
}
_NEW_FILES = _FILES | {"properties": _FILES["properties"] | UploadOptions.model_json_schema()["properties"]}

POLL_SECONDS = 1
"""Time after which clients should ask again how far a job is."""

_CHANGE_ERRORS = {
    **openapi_errors(413, 415, 429, 503, 507),
    202: {"model": JobObject, "description": "With `background`: the job that makes the adapter."},
}

Background = Annotated[
    bool, Query(description="Answer at once with status 202 and a job, which `GET /v1/jobs/{id}` describes.")
]
ExportName = Annotated[str, Query(json_schema_extra={"enum": list(EXPORTS)})]

MAX_PARTS = 900
"""An adapter of more parts is not exported in parts: 900 take about 1.2 GB and three minutes for the default base."""

router = APIRouter(prefix="/v1/adapters", tags=["adapters"], responses={**openapi_errors(400, 401, 403, 404, 500)})


@router.post(
    "",
    status_code=201,
    response_model=AdapterObject,
    responses=_CHANGE_ERRORS,
    openapi_extra=body_schema(NewAdapter, {FORM: _NEW_FILES}),
)
async def create(
    request: Request,
    service: ServiceDependency,
    owner: OwnerDependency,
    check: Annotated[bool, Query(description="Measure its fidelity afterwards, in the background.")] = False,
    background: Background = False,
) -> AdapterObject | Response:
    """Create an adapter from documents or a task.

    Send documents as JSON text, or upload files in the form field `file`, which can be repeated. A task may have
    examples, which are fitted into its adapter; `refine` trains on them further, and `check` keeps every second one
    back and measures the adapter with it at once. Documents may have a `bias_scale` and seconds of `study`, also as
    form fields.
    """
    if content_type(request, JSON, FORM) == FORM:
        sent = await SentDocuments.uploaded(request, service)
    else:
        body = await read_json(request, service, owner, NewAdapter)
        if body.task is not None:
            order = _order(body.task, body, service, check=check)
            return await _make(
                request, service, owner, lambda follow: service.creator.specialize(order, owner, follow), background
            )
        options = InternalizerOptions(bias_scale=body.bias_scale)
        sent = SentDocuments.texts(service, body.given_documents, options=options, study=body.study)

    async def work(follow: Follow) -> CreatedAdapter:
        documents = await sent.read(service, owner)
        new = await service.creator.internalize(documents, owner, follow, options=sent.options, study=sent.study)
        if check and new.stored.fidelity is None:
            service.checks.start(new.stored.id, owner, documents)
        return new

    return await _make(request, service, owner, work, background)


@router.get("")
async def list_all(service: ServiceDependency, owner: OwnerDependency) -> AdapterList:
    """List your adapters, oldest first."""
    stored = await asyncio.to_thread(service.store.list, owner)
    return AdapterList(data=[adapter_object(service, adapter, owner) for adapter in stored])


@router.get("/{id}")
async def show(id: str, service: ServiceDependency, owner: OwnerDependency) -> AdapterObject:
    """Describe one adapter: its documents, hypernetwork and size."""
    return adapter_object(service, await asyncio.to_thread(service.store.describe, id, owner), owner)


@router.patch(
    "/{id}",
    response_model=AdapterObject,
    responses=_CHANGE_ERRORS,
    openapi_extra=body_schema(AdapterChange, {FORM: _FILES}),
)
async def change(
    id: str,
    request: Request,
    service: ServiceDependency,
    owner: OwnerDependency,
    check: Annotated[
        bool, Query(description="Measure the fidelity of the added documents afterwards, in the background.")
    ] = False,
    background: Background = False,
) -> AdapterObject | Response:
    """Add, replace or remove documents.

    The result is a new adapter with its own id; the old one is deleted.
    """
    await asyncio.to_thread(service.store.describe, id, owner)
    removed: tuple[str, ...] = ()
    if content_type(request, JSON, FORM) == FORM:
        sent = await SentDocuments.uploaded(request, service)
    else:
        body = await read_json(request, service, owner, AdapterChange)
        sent, removed = SentDocuments.texts(service, body.add), body.remove
    not_changed = dict.fromkeys(sent.options.chosen, "an adapter keeps the options that it was created with")
    if sent.study is not None:
        not_changed["study"] = "only a new adapter studies its documents"
    for name, reason in not_changed.items():
        await sent.close()
        raise RequestError(f"{name}: {reason}; leave it out", param=name)
    if check and not sent:
        raise RequestError("there is no added document to check; leave out check", param="check")

    async def work(follow: Follow) -> CreatedAdapter:
        documents = await sent.read(service, owner)
        new = await service.creator.change(id, documents, removed, owner, follow)
        if check:
            service.checks.start(new.stored.id, owner, documents)
        return new

    return await _make(request, service, owner, work, background)


@router.put("/{id}/label", responses={**openapi_errors(413, 415, 429, 507)}, openapi_extra=body_schema(AdapterLabel))
async def label(id: str, request: Request, service: ServiceDependency, owner: OwnerDependency) -> AdapterObject:
    """Give an adapter a name of your own. Only you see it, and requests still name the adapter by its id."""
    content_type(request, JSON)
    body = await read_json(request, service, owner, AdapterLabel)
    text = None if body.label is None else safe_text(body.label).strip()
    stored = await asyncio.to_thread(service.store.set_label, id, owner, text or None)
    return adapter_object(service, stored, owner)


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
    request: Request,
    id: str,
    service: ServiceDependency,
    owner: OwnerDependency,
    format: ExportName = DEFAULT_EXPORT,
    parts: bool = False,
) -> Response:
    """Export an adapter for other programs.

    A format of one file is returned as that file, a format of several files as a zip archive. With `parts`, the archive
    has an adapter for every clause, as `lorify adapter export --parts` writes it.
    """
    if format not in EXPORTS:
        raise RequestError(f"unknown format {format!r}; choose from {', '.join(EXPORTS)}", param="format")
    suffix = None if parts else EXPORTS[format].suffix
    kind = "application/zip" if suffix is None else "application/octet-stream"
    with ExitStack() as ended:
        # Until it has been sent: files that nobody fetches would fill the disk, and in memory they would fill that.
        ended.enter_context(service.exports.slot(owner))
        folder = Path(ended.enter_context(tempfile.TemporaryDirectory(prefix="lorify-", ignore_cleanup_errors=True)))
        adapter = await asyncio.to_thread(service.store.get, id, owner)
        with service.running_exports.token() as cancel:
            write = partial(_write_parts, cancel=cancel) if parts else _write_export
            work = service.exports.run(partial(write, adapter, service.model, format, folder), owner)
            path = await unless_disconnected(request, work)
        return TemporaryFile(path, ended.pop_all().close, media_type=kind, filename=f"{id}{suffix or '.zip'}")


def _write_export(adapter: Adapter, model: Lorify, format: str, folder: Path) -> Path:
    """Write the export into a folder and return its file."""
    path = folder / "adapter"
    EXPORTS[format].exporter.export(adapter, model.base, path, probe=False)
    return path if path.is_file() else _zipped(path)


def _write_parts(adapter: Adapter, model: Lorify, format: str, folder: Path, *, cancel: CancelToken) -> Path:
    """Write the export in parts into a folder and return its archive."""
    model.export_parts(adapter, folder / "adapter", format, probe=False, max_parts=MAX_PARTS, cancel=cancel)
    return _zipped(folder / "adapter")


def _zipped(folder: Path) -> Path:
    """Move the files of a folder into an archive beside it."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
            if file.is_file():
                file.unlink()  # so that the disk never holds both
    shutil.rmtree(folder)
    return path


def _order(task: str, body: NewAdapter, service: Service, *, check: bool) -> TaskOrder:
    """The task of a request with its examples."""
    examples = [TaskExample(safe_text(e.input).strip(), safe_text(e.output).strip()) for e in body.examples or ()]
    limit = service.settings.max_refine_seconds
    return task_order(safe_text(task), examples, seconds=body.refine, check=check, max_seconds=limit)


async def _make(
    request: Request, service: Service, owner: str, work: Work, background: bool
) -> AdapterObject | Response:
    """Make an adapter and describe it, or start a job that does."""
    if background:
        job = job_object(service, service.jobs.start(owner, work))
        headers = {"Location": f"{JOBS_PATH}/{job.id}", "Retry-After": str(POLL_SECONDS)}
        return JSONResponse(job.model_dump(), 202, headers)
    new = await unless_disconnected(request, work(lambda _progress: None))
    return created_adapter_object(service, new, owner)
