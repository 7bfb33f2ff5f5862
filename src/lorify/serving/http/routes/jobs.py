"""`/v1/jobs`: how far adapters are that are made in the background."""

from __future__ import annotations

from fastapi import APIRouter

from lorify.serving.http.adapter_objects import job_object
from lorify.serving.http.errors import openapi_errors
from lorify.serving.http.middleware.access import OwnerDependency, ServiceDependency
from lorify.serving.http.schemas.lorify_routes import JobList, JobObject

JOBS_PATH = "/v1/jobs"

router = APIRouter(prefix=JOBS_PATH, tags=["adapters"], responses={**openapi_errors(401, 403)})


@router.get("")
async def list_all(service: ServiceDependency, owner: OwnerDependency) -> JobList:
    """List your jobs, oldest first."""
    return JobList(data=[job_object(service, job) for job in service.jobs.list(owner)])


@router.get("/{id}", responses={**openapi_errors(404)})
async def show(id: str, service: ServiceDependency, owner: OwnerDependency) -> JobObject:
    """Describe one job: how far it is, or how it ended."""
    return job_object(service, service.jobs.get(id, owner))


@router.delete("/{id}", responses={**openapi_errors(404)})
async def cancel(id: str, service: ServiceDependency, owner: OwnerDependency) -> JobObject:
    """Cancel a job. Nothing of its adapter is kept, unless it was being saved already: then the job succeeds."""
    return job_object(service, await service.jobs.cancel(id, owner))
