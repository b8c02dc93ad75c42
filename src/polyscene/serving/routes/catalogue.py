"""`/v1/scenarios` and `/v1/history`: what there is to ask about."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from polyscene.serving.answers import Plain, answer, plain_item
from polyscene.serving.limits import MAX_ID_LENGTH
from polyscene.serving.routes.state import service_of
from polyscene.serving.service import Service

router = APIRouter(tags=["catalogue"])

LATEST = 10


@router.get("/v1/scenarios", summary="List the scenarios")
async def scenarios(request: Request) -> Response:
    """Return the run and its scenarios, each with how many items it has and which actions it knows."""
    live = service_of(request).live
    rows = [
        {"name": name, "items": len(state.catalogue), "actions": list(live.check.actions[name])}
        for name, state in live.system.scenarios.items()
    ]
    return answer({"run": live.run.id, "scenarios": rows})


@router.get("/v1/history", summary="Ask what a user did lately")
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
