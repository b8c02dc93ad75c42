"""`/v1/users/{user}/export`, `/v1/users/{user}/erasure`, `/v1/erasures`: rights of those who are known."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AfterValidator
from starlette.responses import Response

from polyscene.client import admin_answers
from polyscene.serving.answers import Plain, answer
from polyscene.serving.audit import Act
from polyscene.serving.bodies import storable
from polyscene.serving.description import LINES, returns, returns_text
from polyscene.serving.export import exported
from polyscene.serving.limits import MAX_ID_LENGTH
from polyscene.serving.routes.state import audit, demand_no_body, service_of
from polyscene.serving.service import Service

router = APIRouter(tags=["rights"])

SCOPES = {
    "GET /v1/users/{user}/export": "admin",
    "POST /v1/users/{user}/erasure": "admin",
    "GET /v1/erasures/{receipt}": "admin",
}
"""What an endpoint here asks of a key."""

UserId = Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH), AfterValidator(storable)]


@router.get(
    "/v1/users/{user:id}/export",
    summary="Give a user all that is known of them",
    openapi_extra=returns_text(LINES),
)
async def export(request: Request, user: UserId) -> Response:
    """Return all that is known of a user as JSON Lines; `kind` tells what a line is.

    `profile`: their fields. `event`: what they did as the live run knows it, out of the tables it was trained
    on and the log. `entry`: the same as it was sent and lies in the log. `decision`: a slate they were given.
    """
    service = service_of(request)
    text = await asyncio.to_thread(exported, service, user)
    await asyncio.to_thread(audit, request, Act.user_exported, user)
    return Response(text, media_type=LINES)


@router.post(
    "/v1/users/{user:id}/erasure",
    dependencies=[Depends(demand_no_body)],
    summary="Erase a user",
    openapi_extra=returns(admin_answers.Erasure),
)
async def erase(request: Request, user: UserId) -> Response:
    """Remove a user from the log, the decisions, the live state and the files of every run.

    The answer is a receipt; it comes when everything is removed and durable. Where `complete` is false, the
    runs in `failed` still hold the user: mend their folder and ask again. If the id comes again, it is a new
    person.
    """
    service = service_of(request)
    receipt = await asyncio.to_thread(service.management.erasures.erase, user)
    await asyncio.to_thread(audit, request, Act.user_erased, user)
    return answer(receipt.plain())


@router.get(
    "/v1/erasures/{receipt:id}",
    summary="Verify an erasure",
    openapi_extra=returns(admin_answers.VerifiedErasure),
)
async def verify(
    request: Request,
    receipt: Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH)],
    user: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=MAX_ID_LENGTH,
            description="The id that was erased, which the receipt does not hold; left out: no search.",
        ),
    ] = None,
) -> Response:
    """Return a receipt and, given the id, search every file of the data folder and of the runs for it.

    `clean` says that no cell, key or value is the id, and that every file could be read. `traces` tells
    where its bytes occur all the same, in which encodings and within which words: `u1` is also in `u10`.
    `kept` counts what the stores and the live state hold under the id: of who came again after the erasure.
    """
    service = service_of(request)
    return answer(await asyncio.to_thread(_verified, service, receipt, user))


def _verified(service: Service, name: str, user: str | None) -> Plain:
    erasures = service.management.erasures
    receipt = erasures.find(name)
    if user is None:
        return receipt.plain() | {"searched": False}
    search, kept = erasures.verify(receipt, user)
    return receipt.plain() | {
        "searched": True,
        "clean": search.clean and not any(kept.values()),
        "files": search.files,
        "tables": search.tables,
        "kept": kept,
        "traces": [trace.plain() for trace in search.traces],
    }
