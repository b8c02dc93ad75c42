"""`/v1/items`: items that are alike."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from polyscene.engine import recommending
from polyscene.serving.answers import answer, plain_place
from polyscene.serving.limits import MAX_ID_LENGTH, MAX_NAME_LENGTH, MAX_SLATE
from polyscene.serving.routes.state import service_of

router = APIRouter(tags=["items"])


@router.get("/v1/items/{scenario}/{item:path}/similar", summary="Ask for items like one item")
async def similar(
    request: Request,
    scenario: Annotated[str, Path(max_length=MAX_NAME_LENGTH)],
    item: Annotated[str, Path(max_length=MAX_ID_LENGTH)],
    k: Annotated[int, Query(ge=1, le=MAX_SLATE)] = 10,
) -> Response:
    """Return the items most like one item, best first."""
    service = service_of(request)
    near = await service.in_pool(recommending.similar, service.live.system, item, scenario, k)
    places = [plain_place(place, True) for place in near]
    return answer({"scenario": scenario, "item": item, "items": places})
