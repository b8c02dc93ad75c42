"""`/v1/scenarios` and `/v1/history`: what there is to ask about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from polyscene.client import answers
from polyscene.core.types import Recommendation
from polyscene.engine import lists
from polyscene.serving.answers import Plain, answer, plain_item
from polyscene.serving.description import returns
from polyscene.serving.limits import MAX_ID_LENGTH, MAX_NAME_LENGTH, MAX_SLATE
from polyscene.serving.routes.state import service_of
from polyscene.serving.service import Service

router = APIRouter(tags=["catalogue"])

LATEST = 10

Scenario = Annotated[str, Path(max_length=MAX_NAME_LENGTH)]
Size = Annotated[int, Query(ge=1, le=MAX_SLATE)]


@router.get("/v1/scenarios", summary="List the scenarios", openapi_extra=returns(answers.Scenarios))
async def scenarios(request: Request) -> Response:
    """Return the run and its scenarios, each with how many items it has and which actions it knows."""
    live = service_of(request).live
    rows = [
        {"name": name, "items": len(state.catalogue), "actions": list(live.check.actions[name])}
        for name, state in live.system.scenarios.items()
    ]
    return answer({"run": live.run.id, "scenarios": rows})


@router.get(
    "/v1/scenarios/{scenario:id}/popular",
    summary="Ask what is popular",
    openapi_extra=returns(answers.ItemList),
)
async def popular(request: Request, scenario: Scenario, k: Size = 10) -> Response:
    """Return the items that are chosen most, the same for everybody, best first."""
    service = service_of(request)
    return _listed(scenario, await service.in_turn(lists.popular, service.live.system, scenario, k))


@router.get(
    "/v1/scenarios/{scenario:id}/latest", summary="Ask what is new", openapi_extra=returns(answers.ItemList)
)
async def latest(request: Request, scenario: Scenario, k: Size = 10) -> Response:
    """Return the newest items, the same for everybody; `score` is when each appeared."""
    service = service_of(request)
    return _listed(scenario, await service.in_turn(lists.latest, service.live.system, scenario, k))


def _listed(scenario: str, places: Sequence[Recommendation]) -> Response:
    items = [plain_item(place.item) | {"score": place.score, "reason": place.reason} for place in places]
    return answer({"scenario": scenario, "items": items})


@router.get(
    "/v1/users/{user:id}/similar",
    summary="Ask for users like one user",
    openapi_extra=returns(answers.SimilarUsers),
)
async def similar_users(
    request: Request,
    user: Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH)],
    scenario: Annotated[str | None, Query(min_length=1, max_length=MAX_NAME_LENGTH)] = None,
    k: Size = 10,
) -> Response:
    """Return the users whose vectors are most like one user's, with their cosines, best first."""
    service = service_of(request)
    alike = await service.in_turn(lists.users_like, service.live.system, user, scenario, k)
    return answer({"user": user, "users": [{"id": name, "score": score} for name, score in alike]})


@router.get("/v1/history", summary="Ask what a user did lately", openapi_extra=returns(answers.History))
async def history(
    request: Request, user: Annotated[str, Query(min_length=1, max_length=MAX_ID_LENGTH)]
) -> Response:
    """Return the latest items of a user in every scenario, newest first; nothing for somebody unknown."""
    service = service_of(request)
    return answer(await service.in_pool(_history, service, user))


def _history(service: Service, user: str) -> Plain:
    system = service.live.system
    latest = {}
    with system.lock.reading():
        for name, state in system.scenarios.items():
            past = state.timeline.history(system.user(user, name), LATEST).items
            latest[name] = [plain_item(item) for item in state.catalogue.items(past[::-1].tolist())]
    known = any(system.user(user, name) >= 0 for name in system.scenarios)
    return {"user": user, "known": known, "latest": latest}
