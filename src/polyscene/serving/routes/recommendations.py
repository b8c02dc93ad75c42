"""`/v1/recommendations`: slates."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from polyscene.client import answers
from polyscene.engine.pipeline import decide
from polyscene.engine.recommending import slate_of
from polyscene.serving.answers import Plain, answer, plain_slate
from polyscene.serving.asking import request_of
from polyscene.serving.bodies import RecommendationBody
from polyscene.serving.cursors import Chain, chain_of, cursor_after
from polyscene.serving.decisions import new_id, record_of
from polyscene.serving.description import returns
from polyscene.serving.routes.state import service_of
from polyscene.serving.service import Service

router = APIRouter(tags=["recommendations"])

FIRST = Chain()


@router.post("/v1/recommendations", summary="Ask for a slate", openapi_extra=returns(answers.Slate))
async def recommend(body: RecommendationBody, request: Request) -> Response:
    """Return the best items for a user, or those that the policy draws, with propensities and reasons.

    Somebody unknown gets what suits everybody. `decision` is the id by which `/v1/decisions` tells what was
    decided and draws it again; `position` says how many events were known; `cursor` asks for the next page.
    """
    service = service_of(request)
    return answer(await service.in_turn(_decided, service, body))


def _decided(service: Service, body: RecommendationBody) -> Plain:
    live, decision_id = service.live, new_id()
    state = live.system.scenario(body.scenario)
    scenario = state.name
    chain = FIRST if body.cursor is None else chain_of(body.cursor, service.decisions, body.user, scenario)
    settings, actions = live.run.settings[scenario], live.check.actions[scenario]
    asked = request_of(body, decision_id, chain, settings, actions, service.moment(state))
    decision = decide(live.system, asked)
    slate = slate_of(decision, asked, live.run.id)
    service.decisions.put(record_of(decision, asked, live.run.id, decision_id, chain.page))
    service.metrics.slate_given(slate)
    service.drift.shown(decision, asked)
    cursor = cursor_after(decision_id, chain, slate.ids, body.k)
    return plain_slate(slate, decision, decision_id, cursor, body.reasons)
