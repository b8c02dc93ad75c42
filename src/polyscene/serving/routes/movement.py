"""`/v1/items/{scenario}/{item}/movement` and `/rollback`: how an item has moved, and setting it back."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query, Request
from pydantic import AfterValidator, Field, model_validator
from starlette.responses import Response

from polyscene.client import movement_answers
from polyscene.engine.movement import Movement, standing_of
from polyscene.recommenders.posterior.movement import Ledger
from polyscene.serving.answers import Plain, answer
from polyscene.serving.audit import Act
from polyscene.serving.bodies import Body, storable
from polyscene.serving.bodies import Moment as MomentText
from polyscene.serving.description import returns
from polyscene.serving.limits import MAX_ID_LENGTH, MAX_NAME_LENGTH
from polyscene.serving.movement import Moment, Source, movement_of, rollback_of
from polyscene.serving.routes.state import audit, service_of
from polyscene.serving.service import Service
from polyscene.serving.snapshots import SNAPSHOTS
from polyscene.serving.stores.contract import EPOCH

router = APIRouter(tags=["items"])

SCOPES = {
    "GET /v1/items/{scenario}/{item}/movement": "admin",
    "POST /v1/items/{scenario}/{item}/rollback": "admin",
}
"""What an endpoint here asks of a key: moments and offsets tell what single people did."""
MAX_MOVES = 200

Scenario = Annotated[str, Path(min_length=1, max_length=MAX_NAME_LENGTH)]
ItemId = Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH), AfterValidator(storable)]
Bound = Annotated[datetime | None, Query(description="ISO 8601; moves beyond it are passed over.")]


class RollbackBody(Body):
    """To which moment an item is set back: a time, or an offset of the log."""

    to: MomentText | None = Field(None, description="ISO 8601; events of the scenario after it do not count.")
    offset: int | None = Field(None, ge=0, le=2**53, description="The last one of the log that counts.")

    @model_validator(mode="after")
    def _demand_one(self) -> Self:
        if (self.to is None) == (self.offset is None):
            raise ValueError("expected `to` or `offset`, one of the two")
        return self


@router.get(
    "/v1/items/{scenario:id}/{item:id}/movement",
    summary="Ask how an item has moved",
    openapi_extra=returns(movement_answers.Movement),
)
async def movement(
    request: Request,
    scenario: Scenario,
    item: ItemId,
    limit: Annotated[int, Query(ge=0, le=MAX_MOVES, description="The longest moves, so many.")] = 20,
    since: Bound = None,
    until: Bound = None,
) -> Response:
    """Return what has moved what the posterior believes of an item: events, edits of its text, rollbacks.

    The log is learned once more for it by a copy of the run in memory, with the posterior alone; one history
    is told at a time. Nobody is named: a person is a number that means something in this answer
    alone, and an offset tells who can read the log where the event stands.
    """
    service = service_of(request)
    ledger = Ledger(limit)
    if since is not None:
        ledger.since = _microseconds(since)
    if until is not None:
        ledger.until = _microseconds(until)
    return answer(await asyncio.to_thread(movement_of, _source(service), scenario, item, ledger))


@router.post(
    "/v1/items/{scenario:id}/{item:id}/rollback",
    summary="Set an item back",
    openapi_extra=returns(movement_answers.Rollback),
)
async def roll_back_item(body: RollbackBody, request: Request, scenario: Scenario, item: ItemId) -> Response:
    """Believe of an item what the posterior believed of it at an earlier moment; later events move it on.

    The beliefs of that moment are a change in the log, which every server, a restart and a replay take over
    to the last bit. Edits of the item's text stay. What other signals learned, such as its popularity, stays
    until a cycle trains anew; that leaves the undone events out.
    """
    service = service_of(request)
    value = await asyncio.to_thread(_roll_back, service, scenario, item, body)
    await asyncio.to_thread(audit, request, Act.item_rolled_back, f"{scenario}/{item}")
    return answer(value)


def _roll_back(service: Service, scenario: str, item: str, body: RollbackBody) -> Plain:
    start, management = time.perf_counter(), service.management
    state = service.live.system.scenario(scenario)
    management.changes.code(scenario, item)
    moment = Moment(None if body.to is None else _microseconds(body.to), body.offset)
    rollback = rollback_of(_source(service), scenario, item, moment, state.latest)
    with management.known.changing:
        with service.live.system.lock.reading():
            before = standing_of(service.live.system.scenario(scenario), item)
        receipt = management.submit([rollback.change]).result()
    with service.live.system.lock.reading():
        after = standing_of(service.live.system.scenario(scenario), item)
    return {
        "scenario": state.name,
        "item": item,
        "offset": receipt.last,
        "undone": rollback.undone,
        "exact": rollback.goal.gap == 0.0,
        "before": _standing(before),
        "after": _standing(after),
        "seconds": time.perf_counter() - start,
    }


def _standing(movement: Movement) -> Plain:
    plain = movement.plain()
    return {name: plain[name] for name in ("distance", "bias", "nearest")}


def _source(service: Service) -> Source:
    management = service.management
    return Source(management.changes.run, service.live.store, management.known, management.folder / SNAPSHOTS)


def _microseconds(moment: datetime) -> int:
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
