"""`/v1/rules`: what is pinned, blocked, lifted and capped, replaced while the service runs."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.responses import Response

from polyscene.client import admin_answers
from polyscene.core.settings.rules import MAX_RULES
from polyscene.serving.answers import Plain, answer
from polyscene.serving.audit import Act
from polyscene.serving.bodies import Body
from polyscene.serving.description import returns
from polyscene.serving.limits import MAX_NAME_LENGTH
from polyscene.serving.routes.state import audit, service_of
from polyscene.serving.rule_changes import KEY, book_of, demand_fit, plain_rules
from polyscene.serving.service import Service
from polyscene.serving.stores.contract import ChangeKind, LoggedChange

router = APIRouter(tags=["rules"])

SCOPES = {"PUT /v1/rules/{scenario}": "admin", "DELETE /v1/rules/{scenario}": "admin"}
"""What an endpoint here asks of a key; every other asks for `read`."""

Scenario = Annotated[str, Path(min_length=1, max_length=MAX_NAME_LENGTH)]


class RulesBody(Body):
    """All rules of a scenario."""

    rules: list[dict[str, Any]] = Field(
        max_length=MAX_RULES, description="As in the configuration, in their order."
    )


@router.get(
    "/v1/rules/{scenario:id}",
    summary="Ask for the rules of a scenario",
    openapi_extra=returns(admin_answers.Rules),
)
async def get_rules(request: Request, scenario: Scenario) -> Response:
    """Return the rules that hold, and the `version` by which decisions name them; empty without any."""
    return answer(_rules(service_of(request), scenario))


@router.put(
    "/v1/rules/{scenario:id}",
    summary="Replace the rules of a scenario",
    openapi_extra=returns(admin_answers.RulesChange),
)
async def put_rules(body: RulesBody, request: Request, scenario: Scenario) -> Response:
    """Let these be all rules of a scenario, for the next request and after a restart.

    They stand in place of those of the configuration. `doubts` names what may be meant otherwise, such as ids
    of items that are not there.
    """
    return await _answered(request, scenario, body.rules, Act.rule_changed)


@router.delete(
    "/v1/rules/{scenario:id}",
    summary="Go back to the configured rules",
    openapi_extra=returns(admin_answers.RulesChange),
)
async def delete_rules(request: Request, scenario: Scenario) -> Response:
    """Let the rules of the configuration hold again."""
    return await _answered(request, scenario, None, Act.rule_removed)


async def _answered(
    request: Request, scenario: str, rules: list[dict[str, Any]] | None, act: Act
) -> Response:
    """Let rules hold, write down who changed them, and answer."""
    value = await asyncio.to_thread(_put, service_of(request), scenario, rules)
    await asyncio.to_thread(audit, request, act, scenario)
    return answer(value)


def _put(service: Service, scenario: str, rules: list[dict[str, Any]] | None) -> Plain:
    run = service.management.changes.run
    run.system.scenario(scenario)
    fields = None if rules is None else {KEY: rules}
    doubts = demand_fit(run, scenario, book_of(run, scenario, fields))
    service.management.submit([LoggedChange(ChangeKind.rules, scenario, "", fields)]).result()
    return _rules(service, scenario) | {"doubts": doubts}


def _rules(service: Service, scenario: str) -> Plain:
    book = service.live.system.scenario(scenario).rules
    return {"scenario": scenario, "version": book.version, "rules": plain_rules(book)}
