"""JSON objects of adapters and of the jobs that make them."""

from __future__ import annotations

from datetime import datetime

from lorify.answering.checks.task_check import TaskCheck
from lorify.serving.adapters.creation import CreatedAdapter
from lorify.serving.adapters.jobs import AdapterJob
from lorify.serving.http.errors import error_detail
from lorify.serving.http.schemas.lorify_routes import (
    AdapterDocument,
    AdapterObject,
    JobObject,
    TaskCheckObject,
    WrongAnswer,
)
from lorify.serving.service import Service
from lorify.serving.storage.index import StoredAdapter


def adapter_object(service: Service, stored: StoredAdapter, owner: str) -> AdapterObject:
    """Return the object of an adapter of `owner`."""
    provenance = stored.provenance
    return AdapterObject(
        id=stored.id,
        model=f"{service.base_id}:{stored.id}",
        label=stored.label,
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
        bias_scale=provenance.bias_scale,
        studied_seconds=provenance.studied_seconds,
        follows=provenance.follows,
        fidelity=stored.fidelity,
        checking=service.checks.is_checking(stored.id, owner),
    )


def created_adapter_object(service: Service, new: CreatedAdapter, owner: str) -> AdapterObject:
    """Return the object of an adapter in the response to the request that created it."""
    described = adapter_object(service, new.stored, owner)
    return described.model_copy(
        update={
            "seconds": round(new.seconds, 3),
            "reused": new.reused,
            "task_check": None if new.task_check is None else _task_check_object(new.task_check),
            "warnings": list(new.warnings),
        }
    )


def _task_check_object(found: TaskCheck) -> TaskCheckObject:
    """Return the object of the check of a task."""
    return TaskCheckObject(
        questions=found.questions,
        adapter=found.adapter,
        description_in_prompt=found.description,
        examples_in_prompt=found.examples,
        wrong=[WrongAnswer(input=given, expected=answer, answer=text) for given, answer, text in found.wrong],
    )


def job_object(service: Service, job: AdapterJob) -> JobObject:
    """Return the object of a job."""
    is_running = job.status == "running"
    seconds_left = job.progress.seconds_left if is_running else None
    return JobObject(
        id=job.id,
        created=job.created,
        status=job.status,
        phase=job.progress.phase if is_running else None,
        fraction=1.0 if job.status == "succeeded" else round(job.progress.fraction, 4),
        seconds_left=None if seconds_left is None else round(seconds_left, 1),
        adapter=None if job.result is None else created_adapter_object(service, job.result, job.owner),
        error=None if job.error is None else error_detail(job.error),
    )
