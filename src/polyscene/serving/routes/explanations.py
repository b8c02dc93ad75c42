"""`/v1/explanations` and `/v1/decisions`: why, and what was decided."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from polyscene.client import answers
from polyscene.core.errors import UnknownIdError
from polyscene.core.text import shown
from polyscene.engine import recommending
from polyscene.engine.decision import Request as Asked
from polyscene.engine.why_not import WhyNot, why_not
from polyscene.serving.answers import Plain, answer, plain_explanation, plain_record, plain_why_not
from polyscene.serving.asking import request_of
from polyscene.serving.bodies import WhyNotBody
from polyscene.serving.cursors import Chain, chain_of
from polyscene.serving.description import returns
from polyscene.serving.limits import MAX_ID_LENGTH, MAX_NAME_LENGTH, MAX_SLATE
from polyscene.serving.replay import replay
from polyscene.serving.routes.state import service_of
from polyscene.serving.service import Service
from polyscene.serving.stores.contract import DecisionRecord

router = APIRouter(tags=["explanations"])

MAX_DECISIONS = 100

GivenId = Annotated[str, Query(min_length=1, max_length=MAX_ID_LENGTH)]
GivenName = Annotated[str | None, Query(min_length=1, max_length=MAX_NAME_LENGTH)]


@router.get(
    "/v1/explanations",
    summary="Ask why an item stands where it stands",
    openapi_extra=returns(answers.Explanation),
)
async def explain(request: Request, user: GivenId, item: GivenId, scenario: GivenName = None) -> Response:
    """Return where an item stands for a user now, what each signal adds, and the past items behind it.

    `rank` is null where the item may not be shown to the user.
    """
    service = service_of(request)
    why = await service.in_turn(recommending.explain, service.live.system, user, item, scenario)
    return answer(plain_explanation(why))


@router.get(
    "/v1/explanations/why-not",
    summary="Ask why an item is not in a slate",
    openapi_extra=returns(answers.WhyNot),
)
async def explain_absence(
    request: Request,
    user: GivenId,
    item: GivenId,
    scenario: GivenName = None,
    k: Annotated[int, Query(ge=1, le=MAX_SLATE)] = 10,
    seen: Annotated[Literal["hide", "allow"] | None, Query()] = None,
) -> Response:
    """Return which stage keeps an item out of a user's slate now, and the least that would let it in.

    `obstacles` is empty where it is in the slate.
    """
    service = service_of(request)
    asked = Asked(user, scenario, k, reasons=False, explore=False, seen=seen)
    return answer(plain_why_not(await service.in_turn(why_not, service.live.system, asked, item)))


@router.post(
    "/v1/explanations/why-not",
    summary="Ask why an item is not in the slate of a whole request",
    openapi_extra=returns(answers.WhyNot),
)
async def explain_absence_of(body: WhyNotBody, request: Request) -> Response:
    """Return the same for a request with all that it may say: filter, exclude, context, cursor."""
    service = service_of(request)
    return answer(plain_why_not(await service.in_turn(_why_not, service, body)))


def _why_not(service: Service, body: WhyNotBody) -> WhyNot:
    live = service.live
    scenario = live.system.scenario(body.scenario).name
    chain = Chain() if body.cursor is None else chain_of(body.cursor, service.decisions, body.user, scenario)
    settings, actions = live.run.settings[scenario], live.check.actions[scenario]
    return why_not(live.system, request_of(body, body.item, chain, settings, actions), body.item)


DecisionId = Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH)]


@router.get(
    "/v1/users/{user:id}/decisions",
    summary="List the past slates of a user",
    openapi_extra=returns(answers.PastSlates),
)
async def decisions_of(
    request: Request,
    user: Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH)],
    limit: Annotated[int, Query(ge=1, le=MAX_DECISIONS)] = 20,
) -> Response:
    """Return the latest slates of a user, latest first: each decision's id, when, where, and the items."""
    service = service_of(request)
    records = await service.in_pool(service.decisions.of_user, user, limit)
    rows = [
        {
            "decision": record.id,
            "time": record.time,
            "scenario": record.scenario,
            "run": record.run,
            "slate": record.details["slate"],
        }
        for record in records
    ]
    return answer({"user": user, "decisions": rows})


@router.get(
    "/v1/decisions/{decision:id}", summary="Look up a past slate", openapi_extra=returns(answers.Decision)
)
async def find_decision(request: Request, decision: DecisionId) -> Response:
    """Return what was decided for a slate: request, candidates, scores, propensities, run and position."""
    service = service_of(request)
    record = await service.in_pool(_kept, service, decision)
    live = service.live
    ids = live.system.scenario(record.scenario).catalogue.ids if record.run == live.run.id else None
    return answer(plain_record(record, ids))


@router.get(
    "/v1/decisions/{decision:id}/replay",
    summary="Draw a past slate again",
    openapi_extra=returns(answers.Replay),
)
async def replay_decision(request: Request, decision: DecisionId) -> Response:
    """Return a past slate drawn again from the log, and whether it is the same bit for bit.

    Where the same run answers, and nothing has come since, it is computed again too.
    """
    service = service_of(request)
    return answer(await service.in_turn(_replayed, service, decision))


def _replayed(service: Service, decision: str) -> Plain:
    return replay(_kept(service, decision), service.live.system, service.live.run.id)


def _kept(service: Service, decision: str) -> DecisionRecord:
    record = service.decisions.find(decision)
    if record is None:
        raise UnknownIdError(
            f"expected the id of a decision that is kept, found {shown(decision)}; the oldest are forgotten"
        )
    return record
