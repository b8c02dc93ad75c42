"""`/v1/predictions`: how likely things are."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from polyscene.client import answers
from polyscene.engine.decision import Request as Asked
from polyscene.engine.predicting import by_item, predict_items
from polyscene.serving.answers import answer
from polyscene.serving.bodies import PredictionBody
from polyscene.serving.description import returns
from polyscene.serving.routes.state import service_of

router = APIRouter(tags=["recommendations"])


@router.post(
    "/v1/predictions",
    summary="Ask how likely given items are chosen next",
    openapi_extra=returns(answers.Predictions),
)
async def predict(body: PredictionBody, request: Request) -> Response:
    """Return for each item how likely it is the user's next choice, and what the signal `multitask` expects.

    `next_choice` is a probability over everything that may be shown to the user, 0 of what may not.
    """
    service = service_of(request)
    live = service.live
    asked = Asked(body.user, body.scenario, 1, history=body.history)
    tasks = await service.in_turn(predict_items, live.system, asked, body.items)
    scenario, rows = live.system.scenario(body.scenario).name, by_item(body.items, tasks)
    return answer({"user": body.user, "scenario": scenario, "run": live.run.id, "items": rows})
