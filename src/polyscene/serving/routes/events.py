"""`/v1/events`: events are taken, kept, and seen by the next request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from polyscene.client import answers
from polyscene.serving.answers import answer, plain_receipt
from polyscene.serving.bodies import EventBody, EventsBody
from polyscene.serving.description import returns
from polyscene.serving.limits import MAX_ID_LENGTH
from polyscene.serving.routes.state import demand_batch, service_of

router = APIRouter(tags=["events"])

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=MAX_ID_LENGTH,
        description="By which the request is known if it comes again: it is then not kept twice.",
    ),
]


@router.post("/v1/events", summary="Send one event", openapi_extra=returns(answers.Receipt))
async def send_event(body: EventBody, request: Request, key: Key = None) -> Response:
    """Take one event. The answer comes when it is on the disk and every later request sees it.

    `accepted` says how many events were new, `duplicates` how many had come before by their `id`, `repeated`
    whether the whole request had come before by its key.
    """
    return await _taken(request, [body], key)


@router.post("/v1/events/batch", summary="Send many events", openapi_extra=returns(answers.Receipt))
async def send_events(body: EventsBody, request: Request, key: Key = None) -> Response:
    """Take many events in their order, all or none of them; else as with one."""
    return await _taken(request, body.events, key)


async def _taken(request: Request, sent: Sequence[EventBody], key: str | None) -> Response:
    service = service_of(request)
    demand_batch(len(sent), service.settings.batch_events)
    events = [event.logged() for event in sent]
    waiting = await service.in_pool(service.management.submit, events, key)
    receipt = await asyncio.wrap_future(waiting)
    if receipt.accepted and not receipt.repeated:
        service.drift.acted(events)
    return answer(plain_receipt(receipt))
