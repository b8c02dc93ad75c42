"""`/v1/explanations` and `/v1/decisions`: why, and what was decided."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from polyscene.core.errors import UnknownIdError
from polyscene.core.text import shown
from polyscene.engine import recommending
from polyscene.serving.answers import answer, plain_explanation, plain_record
from polyscene.serving.limits import MAX_ID_LENGTH, MAX_NAME_LENGTH
from polyscene.serving.routes.state import service_of

router = APIRouter(tags=["explanations"])

GivenId = Annotated[str, Query(min_length=1, max_length=MAX_ID_LENGTH)]
GivenName = Annotated[str | None, Query(min_length=1, max_length=MAX_NAME_LENGTH)]


@router.get("/v1/explanations", summary="Ask why an item stands where it stands")
async def explain(request: Request, user: GivenId, item: GivenId, scenario: GivenName = None) -> Response:
    """Return where an item stands for a user now, what each signal adds, and the past items behind it.

    `rank` is null where the item may not be shown to the user.
    """
    service = service_of(request)
    why = await service.in_pool(recommending.explain, service.live.system, user, item, scenario)
    return answer(plain_explanation(why))


@router.get("/v1/decisions/{decision}", summary="Look up a past slate")
async def find_decision(
    request: Request, decision: Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH)]
) -> Response:
    """Return what was decided for a slate: request, candidates, scores, propensities, run and position."""
    service = service_of(request)
    record = await service.in_pool(service.decisions.find, decision)
    if record is None:
        raise UnknownIdError(
            f"expected the id of a decision that is kept, found {shown(decision)}; the oldest are forgotten"
        )
    live = service.live
    ids = live.system.scenario(record.scenario).catalogue.ids if record.run == live.run.id else None
    return answer(plain_record(record, ids))
