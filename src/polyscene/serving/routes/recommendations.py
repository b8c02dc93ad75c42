"""`/v1/recommendations`: slates."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from polyscene.engine import decision as engine
from polyscene.engine.pipeline import decide
from polyscene.engine.recommending import slate_of
from polyscene.serving.answers import Plain, answer, plain_slate
from polyscene.serving.bodies import RecommendationBody
from polyscene.serving.decisions import new_id, record_of
from polyscene.serving.routes.state import service_of
from polyscene.serving.service import Service

router = APIRouter(tags=["recommendations"])


@router.post("/v1/recommendations", summary="Ask for a slate")
async def recommend(body: RecommendationBody, request: Request) -> Response:
    """Return the best items for a user, each with its score, propensity and reason.

    Somebody unknown gets what suits everybody. `decision` is the id by which `/v1/decisions` tells what was
    decided; `position` says how many events were known.
    """
    service = service_of(request)
    return answer(await service.in_pool(_decided, service, body))


def _decided(service: Service, body: RecommendationBody) -> Plain:
    asked = engine.Request(
        body.user,
        body.scenario,
        body.k,
        tuple(body.exclude),
        reasons=body.reasons,
        only=body.only,
        history=body.history,
    )
    live = service.live
    decision = decide(live.system, asked)
    slate, name = slate_of(decision, asked, live.run.id), new_id()
    service.decisions.put(record_of(decision, asked, live.run.id, name))
    service.metrics.slate_given(slate)
    return plain_slate(slate, name, decision.position, body.reasons)
