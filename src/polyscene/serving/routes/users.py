"""`/v1/users`: who is known, and what is known of them beside what they did."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import AfterValidator
from starlette.responses import Response

from polyscene.client import admin_answers
from polyscene.core.errors import UnknownIdError
from polyscene.core.text import shown
from polyscene.serving.answers import Plain, answer
from polyscene.serving.audit import Act
from polyscene.serving.bodies import storable
from polyscene.serving.description import returns
from polyscene.serving.field_bodies import FieldsBody
from polyscene.serving.limits import MAX_ID_LENGTH, MAX_PAGE
from polyscene.serving.routes.state import audit, service_of
from polyscene.serving.service import Service
from polyscene.serving.stores.contract import ChangeKind, LoggedChange
from polyscene.serving.user_fields import demand_user_fields

router = APIRouter(tags=["users"])

SCOPES = {
    "PUT /v1/users/{user}": "admin",
    "PATCH /v1/users/{user}": "admin",
    "DELETE /v1/users/{user}": "admin",
}
"""What an endpoint here asks of a key; every other asks for `read`."""

UserId = Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH), AfterValidator(storable)]


@router.get("/v1/users", summary="List the users", openapi_extra=returns(admin_answers.UsersPage))
async def list_users(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
    after: Annotated[
        int, Query(ge=-1, le=2**31, description="`next` of the page before; left out: from the first.")
    ] = -1,
) -> Response:
    """Return a page of the ids of all users; of those who are local to a scenario as `SCENARIO/ID`.

    `next` leads to the page behind it, and is null on the last one.
    """
    system = service_of(request).live.system
    with system.lock.reading():
        rows = system.users.after(after, limit + 1)
    following = rows[limit - 1][0] if len(rows) > limit else None
    return answer({"users": [name for _, name in rows[:limit]], "next": following})


@router.get(
    "/v1/users/{user:id}", summary="Ask what is known of a user", openapi_extra=returns(admin_answers.User)
)
async def get_user(request: Request, user: UserId) -> Response:
    """Return the fields of a user, and in which scenarios anything is known of them."""
    service = service_of(request)
    return answer(await service.in_pool(_user, service, user))


@router.put(
    "/v1/users/{user:id}",
    summary="Put the fields of a user",
    openapi_extra=returns(admin_answers.UserChange),
)
async def put_user(body: FieldsBody, request: Request, user: UserId) -> Response:
    """Let these be all fields of a user; who is new becomes known."""
    return await _answered(request, user, _changed, body.fields, False)


@router.patch(
    "/v1/users/{user:id}",
    summary="Change some fields of a user",
    openapi_extra=returns(admin_answers.UserChange),
)
async def patch_user(body: FieldsBody, request: Request, user: UserId) -> Response:
    """Put some fields over those that are known; null lets a field be missing."""
    return await _answered(request, user, _changed, body.fields, True)


@router.delete(
    "/v1/users/{user:id}",
    summary="Remove the fields of a user",
    openapi_extra=returns(admin_answers.UserChange),
)
async def delete_user(request: Request, user: UserId) -> Response:
    """Remove the fields of a user. What they did stays known; `POST /v1/users/{user}/erasure` removes all."""
    return await _answered(request, user, _removed)


async def _answered(request: Request, user: str, change: Callable[..., Plain], *args: object) -> Response:
    """Change what is known of a user, write down who did, and answer."""
    service = service_of(request)
    value = await service.in_pool(change, service, user, *args)
    await asyncio.to_thread(audit, request, Act.user_changed, user)
    return answer(value)


def _fields(service: Service, user: str) -> dict[str, Any] | None:
    latest = service.management.known.told(ChangeKind.user, "", user)
    return None if latest is None else latest[1]


def _user(service: Service, user: str) -> Plain:
    system, fields = service.live.system, _fields(service, user)
    with system.lock.reading():
        known = [name for name in system.scenarios if system.user(user, name) >= 0]
    if fields is None and not known:
        raise UnknownIdError(f"expected a user who is known, found {shown(user)}")
    return {"user": user, "known_in": known, "fields": fields or {}}


def _changed(service: Service, user: str, fields: dict[str, Any], merge: bool) -> Plain:
    demand_user_fields(service.live.run.settings, fields)
    with service.management.known.changing:
        known = (_fields(service, user) or {}) if merge else {}
        return _taken(service, user, {**known, **fields})


def _removed(service: Service, user: str) -> Plain:
    with service.management.known.changing:
        if _fields(service, user) is None:
            raise UnknownIdError(f"expected a user with fields, found {shown(user)}")
        return _taken(service, user, None)


def _taken(service: Service, user: str, fields: dict[str, Any] | None) -> Plain:
    change = LoggedChange(ChangeKind.user, "", user, fields)
    return {"user": user, "offset": service.management.submit([change]).result().last}
