"""`/v1/jobs`: work that goes on after its request was answered."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from polyscene.client import answers
from polyscene.serving.answers import answer
from polyscene.serving.description import returns
from polyscene.serving.limits import MAX_ID_LENGTH, MAX_PAGE
from polyscene.serving.routes.state import demand_no_body, service_of

router = APIRouter(tags=["jobs"])

SCOPES = {"POST /v1/jobs/{job}/cancel": "admin"}
"""What an endpoint here asks of a key; every other asks for `read`."""

JobId = Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH)]


@router.get("/v1/jobs", summary="List the latest jobs", openapi_extra=returns(answers.Jobs))
async def list_jobs(request: Request, limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20) -> Response:
    """Return the latest jobs, latest first."""
    return answer({"jobs": [job.plain() for job in service_of(request).management.jobs.latest(limit)]})


@router.get("/v1/jobs/{job:id}", summary="Ask how far a job is", openapi_extra=returns(answers.Job))
async def get_job(request: Request, job: JobId) -> Response:
    """Return how far a job is: of its `rows` so many were `read`, which are `taken` or `refused`.

    `status` is `waiting`, `running`, `done`, `cancelled` or `failed`; `refusals` says of the first rows that
    were refused why.
    """
    return answer(service_of(request).management.jobs.find(job).plain())


@router.post(
    "/v1/jobs/{job:id}/cancel",
    dependencies=[Depends(demand_no_body)],
    summary="Cancel a job",
    openapi_extra=returns(answers.Job),
)
async def cancel_job(request: Request, job: JobId) -> Response:
    """Let a job end before its next block of rows; what was taken stays taken."""
    service = service_of(request)
    return answer((await service.in_pool(service.management.jobs.cancel, job)).plain())
