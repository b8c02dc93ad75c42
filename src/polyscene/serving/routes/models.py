"""`/v1/models`: which runs there are, and which of them answers."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from polyscene.client import admin_answers
from polyscene.serving.answers import answer
from polyscene.serving.audit import Act
from polyscene.serving.description import returns
from polyscene.serving.limits import MAX_ID_LENGTH
from polyscene.serving.routes.state import audit, demand_no_body, service_of

router = APIRouter(tags=["models"])

SCOPES = {
    "GET /v1/models": "admin",
    "POST /v1/models/{run}/activate": "admin",
    "POST /v1/models/rollback": "admin",
}
"""What an endpoint here asks of a key."""


@router.get("/v1/models", summary="List the runs", openapi_extra=returns(admin_answers.Models))
async def list_models(request: Request) -> Response:
    """Return every run of the project, oldest first: when it was made, how good it is, whether it answers."""
    service = service_of(request)
    return answer({"models": await asyncio.to_thread(service.management.models.listed)})


@router.post(
    "/v1/models/rollback",
    dependencies=[Depends(demand_no_body)],
    summary="Go back to the run before",
    openapi_extra=returns(admin_answers.Activation),
)
async def roll_back(request: Request) -> Response:
    """Let the run answer that did so before the present one."""
    service = service_of(request)
    value = await asyncio.to_thread(service.management.models.roll_back)
    await asyncio.to_thread(audit, request, Act.model_rolled_back, value["run"])
    return answer(value)


@router.post(
    "/v1/models/{run:id}/activate",
    dependencies=[Depends(demand_no_body)],
    summary="Let a run answer",
    openapi_extra=returns(admin_answers.Activation),
)
async def activate(
    request: Request,
    run: Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH)],
    force: Annotated[bool, Query(description="Also where it is worse, or that cannot be told.")] = False,
) -> Response:
    """Let a run answer from now on, also after a restart.

    It is opened beside the live one, learns the whole log, and takes its place between two requests: none is
    refused, and every slate comes from one run alone. A run that is worse than the live one beyond the
    intervals of both, or of which that cannot be told, is a `conflict` unless `force` is true.
    """
    service = service_of(request)
    value = await asyncio.to_thread(service.management.models.activate, run, force)
    await asyncio.to_thread(audit, request, Act.model_activated, run)
    return answer(value)
