"""`/v1/items`: items that are alike, and items as they are described and taken out while the service runs."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import AfterValidator
from starlette.responses import Response

from polyscene.client import answers
from polyscene.engine import recommending
from polyscene.serving.answers import Plain, answer, plain_item, plain_place
from polyscene.serving.audit import Act
from polyscene.serving.bodies import storable
from polyscene.serving.catalogue_changes import CatalogueChanges, fields_of_run
from polyscene.serving.description import returns
from polyscene.serving.failures import failure
from polyscene.serving.field_bodies import FieldsBody
from polyscene.serving.limits import MAX_ID_LENGTH, MAX_NAME_LENGTH, MAX_PAGE, MAX_SLATE
from polyscene.serving.routes.state import audit, service_of
from polyscene.serving.service import Service
from polyscene.serving.stores.contract import ChangeKind, LoggedChange

router = APIRouter(tags=["items"])

JSON_LINES = ("application/x-ndjson", "application/jsonl", "application/json-lines")
SCOPES = {
    "PUT /v1/items/{scenario}/{item}": "admin",
    "PATCH /v1/items/{scenario}/{item}": "admin",
    "DELETE /v1/items/{scenario}/{item}": "admin",
    "POST /v1/items/{scenario}/bulk": "admin",
}
"""What an endpoint here asks of a key; every other asks for `read`."""

Scenario = Annotated[str, Path(min_length=1, max_length=MAX_NAME_LENGTH)]
ItemId = Annotated[str, Path(min_length=1, max_length=MAX_ID_LENGTH), AfterValidator(storable)]


@router.get(
    "/v1/items/{scenario:id}/{item:id}/similar",
    summary="Ask for items like one item",
    openapi_extra=returns(answers.SimilarItems),
)
async def similar(
    request: Request,
    scenario: Annotated[str, Path(max_length=MAX_NAME_LENGTH)],
    item: Annotated[str, Path(max_length=MAX_ID_LENGTH)],
    k: Annotated[int, Query(ge=1, le=MAX_SLATE)] = 10,
) -> Response:
    """Return the items most like one item, best first; an item that was taken out is not among them."""
    service = service_of(request)
    near = await service.in_turn(recommending.similar, service.live.system, item, scenario, k)
    places = [plain_place(place, True) for place in near]
    return answer({"scenario": scenario, "item": item, "items": places})


@router.get(
    "/v1/items/{scenario:id}",
    summary="List the items of a scenario",
    openapi_extra=returns(answers.ItemsPage),
)
async def list_items(
    request: Request,
    scenario: Scenario,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    after: Annotated[
        int, Query(ge=-1, le=2**31, description="`next` of the page before; left out: from the first.")
    ] = -1,
) -> Response:
    """Return a page of the items that are not taken out, with their fields.

    `next` leads to the page behind it, and is null on the last one. Items keep their order; those that come
    while pages are read stand at the end.
    """
    service = service_of(request)
    return answer(await service.in_pool(_page, service.management.changes, scenario, after, limit))


@router.get(
    "/v1/items/{scenario:id}/{item:id}",
    summary="Ask what is known of an item",
    openapi_extra=returns(answers.ItemDetails),
)
async def get_item(request: Request, scenario: Scenario, item: ItemId) -> Response:
    """Return an item: its fields by the names of the columns of its table, its title and its text.

    `not_kept` names the columns of the table that went into its text and that the run does not keep; it is
    empty once the item was put. `parts` tells what its vector is made of where attributes or media count
    beside the text, `unknown` which values of attributes training never met.
    """
    service = service_of(request)
    return answer(await service.in_pool(_item, service.management.changes, scenario, item))


@router.put(
    "/v1/items/{scenario:id}/{item:id}", summary="Put an item", openapi_extra=returns(answers.ItemChange)
)
async def put_item(body: FieldsBody, request: Request, scenario: Scenario, item: ItemId) -> Response:
    """Describe a new item, or a known one wholly anew. The next request may show it.

    The answer comes when the item is on the disk, its text was read by the language model and every later
    request sees it.
    """
    service = service_of(request)
    value = await asyncio.to_thread(_put, service, scenario, item, body.fields)
    await asyncio.to_thread(audit, request, Act.item_changed, f"{scenario}/{item}")
    return answer(value)


@router.patch(
    "/v1/items/{scenario:id}/{item:id}",
    summary="Change some fields of an item",
    openapi_extra=returns(answers.ItemChange),
)
async def patch_item(body: FieldsBody, request: Request, scenario: Scenario, item: ItemId) -> Response:
    """Put some fields over those that are known; null lets a field be missing. Else as with `PUT`.

    An item that was never put is known by what the run keeps of its table; where columns of its text are not
    kept, they must be sent with the first change.
    """
    service = service_of(request)
    value = await asyncio.to_thread(_patch, service, scenario, item, body.fields)
    await asyncio.to_thread(audit, request, Act.item_changed, f"{scenario}/{item}")
    return answer(value)


@router.delete(
    "/v1/items/{scenario:id}/{item:id}", summary="Take an item out", openapi_extra=returns(answers.ItemChange)
)
async def delete_item(request: Request, scenario: Scenario, item: ItemId) -> Response:
    """Take an item out: nobody is shown it until it is put again. What people did with it stays known."""
    service = service_of(request)
    value = await asyncio.to_thread(_delete, service, scenario, item)
    await asyncio.to_thread(audit, request, Act.item_deleted, f"{scenario}/{item}")
    return answer(value)


@router.post(
    "/v1/items/{scenario:id}/bulk",
    summary="Put many items",
    status_code=202,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                JSON_LINES[0]: {"schema": {"type": "string", "description": "An item in each line."}}
            },
        }
    }
    | returns(answers.Job, 202),
)
async def put_items(request: Request, scenario: Scenario) -> Response:
    """Take JSON Lines, an item with its id in each, as a job that goes on in the background.

    The answer comes when the rows are on the disk; `/v1/jobs/{job}` tells how far the job is. Rows are taken
    in their order; one that cannot be taken is refused with the reason, and the others go on.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in JSON_LINES:
        return failure("unsupported_media_type", f"expected JSON Lines, 'Content-Type: {JSON_LINES[0]}'")
    service = service_of(request)
    service.live.system.scenario(scenario)
    job = await service.in_pool(service.management.jobs.add, scenario, await request.body())
    await asyncio.to_thread(audit, request, Act.item_changed, f"{scenario}: job {job.id}")
    return answer(job.plain(), 202)


def _put(service: Service, scenario: str, item: str, fields: dict[str, Any]) -> Plain:
    change = service.management.changes.item(scenario, item, fields)
    with service.management.known.changing:
        return _taken(service, change)


def _patch(service: Service, scenario: str, item: str, fields: dict[str, Any]) -> Plain:
    with service.management.known.changing:
        return _taken(service, service.management.changes.patched_item(scenario, item, fields))


def _delete(service: Service, scenario: str, item: str) -> Plain:
    with service.management.known.changing:
        return _taken(service, service.management.changes.removed_item(scenario, item))


def _taken(service: Service, change: LoggedChange) -> Plain:
    receipt = service.management.submit([change]).result()
    return {"scenario": change.scenario, "item": change.name, "offset": receipt.last}


def _item(changes: CatalogueChanges, scenario: str, item: str) -> Plain:
    fields, not_kept = changes.fields_of(scenario, item)
    state = changes.run.system.scenario(scenario)
    code = state.catalogue.code(item)
    (described,) = state.catalogue.items([code])
    seen, space = plain_item(described), state.space
    vector = {"parts": space.shares(code), "unknown": space.description.unknown(described.attributes)}
    text = {"scenario": scenario, "text": state.catalogue.texts[code]}
    return seen | text | {"fields": fields, "not_kept": not_kept} | vector


def _page(changes: CatalogueChanges, scenario: str, after: int, limit: int) -> Plain:
    system = changes.run.system
    state = system.scenario(scenario)
    settings = changes.run.settings[state.name]
    with system.lock.reading():
        out = state.fusion.features.removed
        codes = [code for code in range(after + 1, len(state.catalogue)) if not out[code]][: limit + 1]
        rows = [fields_of_run(state, settings, code) for code in codes[:limit]]
        ids = [state.catalogue.ids[code] for code in codes[:limit]]
    latest = changes.known.every(ChangeKind.item, state.name, ids)
    items = [
        {"id": item, "fields": latest.get(item) or fields, "not_kept": [] if latest.get(item) else not_kept}
        for item, (fields, not_kept) in zip(ids, rows, strict=True)
    ]
    return {
        "scenario": state.name,
        "items": items,
        "next": codes[limit - 1] if len(codes) > limit else None,
    }
