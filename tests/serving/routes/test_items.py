from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import rmtree
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from polyscene.engine.decision import Request
from polyscene.engine.pipeline import decide
from polyscene.runs.item_encoder import ItemEncoder
from polyscene.runs.run import Run
from polyscene.serving.app import build_app
from polyscene.serving.service import Service
from polyscene.serving.snapshots import SNAPSHOTS

Client = TestClient
ErrorOf = Callable[[Any], dict[str, Any]]
LAMP = {
    "title": "Brass desk lamp",
    "description": "A lamp for reading at night.",
    "brand": "Lumen",
    "category": "lighting",
    "price": 39.5,
}
ALL = 100


def put(client: Client, item: str, fields: dict[str, Any], scenario: str = "shop") -> dict[str, Any]:
    answer = client.put(f"/v1/items/{scenario}/{quote(item, safe='')}", json={"fields": fields})
    assert answer.status_code == 200, answer.text
    value: dict[str, Any] = answer.json()
    return value


def shown(client: Client, user: str = "u00001", **more: Any) -> list[str]:
    body = {"user": user, "scenario": "shop", "k": ALL, "reasons": False} | more
    answer = client.post("/v1/recommendations", json=body)
    assert answer.status_code == 200, answer.text
    return [place["id"] for place in answer.json()["items"]]


def test_a_new_item_is_recommendable_by_the_next_request(client: Client, service: Service) -> None:
    assert put(client, "lamp", LAMP) == {"scenario": "shop", "item": "lamp", "offset": 1}
    assert "lamp" in shown(client)
    assert shown(client, only=["lamp"]) == ["lamp"]
    known = client.get("/v1/items/shop/lamp").json()
    assert known["fields"] == {"item_id": "lamp"} | LAMP
    assert (known["title"], known["not_kept"]) == ("Brass desk lamp", [])
    assert known["text"] == (
        "Brass desk lamp – A lamp for reading at night. Category: lighting. Brand: Lumen."
    )
    assert known["attributes"] == {"brand": "Lumen", "category": "lighting", "price": 39.5}
    vectors = service.live.run.item_vectors("shop")
    assert np.linalg.norm(vectors.array[-1]) == pytest.approx(1.0, abs=1e-5)


def test_the_vectors_are_those_that_a_run_gives_itself(client: Client, service: Service, run: Run) -> None:
    put(client, "lamp", LAMP)
    other = Run(run.folder)
    other.put_items([{"item_id": "lamp"} | LAMP], "shop")
    mine, theirs = (one.item_vectors("shop").array[-1] for one in (service.live.run, other))
    assert np.allclose(mine, theirs, atol=1e-5)


def test_an_item_put_again_is_described_wholly_anew(client: Client) -> None:
    put(client, "lamp", LAMP)
    put(client, "lamp", {"title": "Garden hose"})
    known = client.get("/v1/items/shop/lamp").json()
    assert known["fields"] == {"item_id": "lamp", "title": "Garden hose"}
    assert known["attributes"] == {"brand": None, "category": None, "price": None}


def test_a_patch_leaves_the_other_fields(client: Client) -> None:
    put(client, "lamp", LAMP)
    answer = client.patch("/v1/items/shop/lamp", json={"fields": {"price": 12, "brand": None}})
    assert answer.status_code == 200, answer.text
    known = client.get("/v1/items/shop/lamp").json()
    assert known["fields"] == {"item_id": "lamp"} | LAMP | {"price": 12, "brand": None}
    assert known["attributes"]["price"] == 12.0


def test_a_patch_of_what_the_run_does_not_keep_says_what_else_is_needed(
    client: Client, error_of: ErrorOf
) -> None:
    item = shown(client)[0]
    known = client.get(f"/v1/items/shop/{item}").json()
    assert known["not_kept"] == ["description", "title"]
    error = error_of(client.patch(f"/v1/items/shop/{item}", json={"fields": {"price": 1}}))
    assert error["code"] == "invalid"
    assert "also description, title" in error["message"]
    patch = {"price": 1, "title": "Old lamp", "description": "Old."}
    assert client.patch(f"/v1/items/shop/{item}", json={"fields": patch}).status_code == 200
    again = client.get(f"/v1/items/shop/{item}").json()
    assert again["fields"] == known["fields"] | patch
    assert client.patch(f"/v1/items/shop/{item}", json={"fields": {"price": 2}}).status_code == 200


def test_an_item_taken_out_is_shown_nowhere_until_it_is_put_again(
    client: Client, service: Service, error_of: ErrorOf
) -> None:
    first, second = shown(client)[:2]
    bought = {"user": "buyer", "item": first, "scenario": "shop", "action": "purchase"}
    assert client.post("/v1/events", json=bought).status_code == 200
    before = service.live.system.position
    near = [place["id"] for place in client.get(f"/v1/items/shop/{second}/similar?k=100").json()["items"]]
    assert first in near
    assert client.delete(f"/v1/items/shop/{first}").status_code == 200

    assert first not in shown(client)
    assert shown(client, only=[first]) == []
    assert first not in shown(client, user="buyer", history=[second])
    again = [place["id"] for place in client.get(f"/v1/items/shop/{second}/similar?k=100").json()["items"]]
    assert again == [item for item in near if item != first]
    many = service.live.run.recommend_many(["u00001", "u00002"], "shop", 50)
    assert first not in many.items
    why = client.get("/v1/explanations", params={"user": "u00001", "item": first, "scenario": "shop"}).json()
    assert (why["rank"], why["reason"]) == (None, "It was taken out of the catalogue.")
    assert service.live.system.position == before
    assert client.get("/v1/history?user=buyer").json()["latest"]["shop"][0]["id"] == first
    for answer in (
        client.get(f"/v1/items/shop/{first}"),
        client.delete(f"/v1/items/shop/{first}"),
        client.patch(f"/v1/items/shop/{first}", json={"fields": {"price": 1}}),
    ):
        assert error_of(answer)["code"] == "unknown_id"

    put(client, first, LAMP)
    assert first in shown(client)


def test_a_saved_run_keeps_what_was_taken_out(client: Client, service: Service, own_run: Run) -> None:
    first = shown(client)[0]
    own_run.intake.remove("shop", [first])
    saved = Run(own_run.save().folder)
    assert first not in saved.recommend("u00001", "shop", ALL).ids
    assert saved.system.scenario("shop").fusion.features.removed.sum() == 1


WRONG = [
    ("/v1/items/shop/lamp", {"fields": {"price": "cheap"}}, "invalid", "column price"),
    ("/v1/items/shop/lamp", {"fields": {"tilte": "Lamp"}}, "invalid", "did you mean 'title'"),
    ("/v1/items/shop/lamp", {"fields": {"item_id": "other"}}, "invalid", "the id differs"),
    ("/v1/items/shop/lamp", {"fields": {"item_id": True}}, "invalid", "the id differs"),
    ("/v1/items/cinema/lamp", {"fields": {"title": "Lamp"}}, "unknown_id", "a scenario out of"),
    ("/v1/items/shop/lamp", {"fields": {"title": {"de": "Lampe"}}}, "invalid", "not as it should be"),
    ("/v1/items/shop/lamp", {"title": "Lamp"}, "invalid", "not as it should be"),
    ("/v1/items/shop/lamp", {"fields": {"title": "\x00"}}, "invalid", "not as it should be"),
    ("/v1/items/shop/lamp", {"fields": {"price": [[1]]}}, "invalid", "not as it should be"),
    ("/v1/items/shop/", {"fields": {}}, "not_found", "Not Found"),
    ("/v1/items/shop/%00erased 1", {"fields": {}}, "invalid", "not as it should be"),
]


@pytest.mark.parametrize(("path", "body", "code", "message"), WRONG)
def test_what_cannot_be_put_is_refused_and_not_kept(
    client: Client, service: Service, error_of: ErrorOf, path: str, body: Any, code: str, message: str
) -> None:
    error = error_of(client.put(path, json=body))
    assert error["code"] == code
    assert message in error["message"]
    assert service.live.store.last == 0


def test_every_problem_of_an_item_is_named(client: Client, error_of: ErrorOf) -> None:
    fields = LAMP | {"price": "cheap", "listed": "never"}
    error = error_of(client.put("/v1/items/shop/lamp", json={"fields": fields}))
    assert "column price" in error["message"]
    assert [one["where"] for one in error["details"]] == ["row 1, column price", "row 1, column listed"]


def test_an_id_with_a_slash_or_of_digits_is_an_id(client: Client) -> None:
    for item in ("lamps/7", "7"):
        assert put(client, item, LAMP | {"item_id": item})["item"] == item
        assert client.get(f"/v1/items/shop/{quote(item, safe='')}").json()["id"] == item
    assert put(client, "8", LAMP | {"item_id": 8})["item"] == "8"


def test_pages_lead_through_all_items_once(client: Client, service: Service) -> None:
    put(client, "lamp", LAMP)
    gone = service.live.system.scenario("shop").catalogue.ids[3]
    client.delete(f"/v1/items/shop/{gone}")
    items: list[str] = []
    after: int | None = -1
    while after is not None:
        page = client.get("/v1/items/shop", params={"limit": 7, "after": after}).json()
        assert len(page["items"]) <= 7
        items += [one["id"] for one in page["items"]]
        after = page["next"]
    ids = service.live.system.scenario("shop").catalogue.ids
    assert items == [ids[code] for code in range(len(ids)) if ids[code] != gone]
    assert page["items"][-1]["fields"] == {"item_id": "lamp"} | LAMP
    assert client.get("/v1/items/shop", params={"limit": len(items)}).json()["next"] is None


def test_a_restart_gives_the_same_vectors_without_the_language_model(
    client: Client,
    service: Service,
    reopen: Callable[[], Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(client, "lamp", LAMP)
    client.patch("/v1/items/shop/lamp", json={"fields": {"title": "Copper lamp"}})
    client.delete("/v1/items/shop/" + shown(client)[0])
    before = shown(client)
    vectors = service.live.run.item_vectors("shop").array.copy()
    service.close()
    rmtree(tmp_path / "service" / SNAPSHOTS)

    def refused(*_: object) -> None:
        raise AssertionError("the language model was asked")

    monkeypatch.setattr(ItemEncoder, "encode", refused)
    again = Service.open(reopen(), tmp_path / "service")
    try:
        assert (again.live.replayed, again.live.unfit) == (3, 0)
        assert np.array_equal(again.live.run.item_vectors("shop").array, vectors)
        second = Client(build_app(again), "http://localhost")
        assert shown(second) == before
        assert second.get("/v1/items/shop/lamp").json()["fields"]["title"] == "Copper lamp"
    finally:
        again.close()


def test_what_is_known_can_be_made_anew_from_the_log(
    client: Client, service: Service, reopen: Callable[[], Run], tmp_path: Path
) -> None:
    put(client, "lamp", LAMP)
    service.close()
    for path in (tmp_path / "service").glob("known.db*"):
        path.unlink()
    again = Service.open(reopen(), tmp_path / "service")
    fields = again.management.changes.fields_of("shop", "lamp")[0]
    again.close()
    assert fields == {"item_id": "lamp"} | LAMP


ITEMS = ("a", "b", "c", "P0001")
WORDS = ("lamp", "hose", "chair")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "patch", "delete", "event"]),
        st.sampled_from(ITEMS),
        st.sampled_from(WORDS),
        st.integers(0, 9),
    ),
    max_size=8,
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_after_any_steps_the_catalogue_is_that_of_a_dictionary_and_a_replay_is_the_same(
    steps: list[tuple[str, str, str, int]],
    reopen: Callable[[], Run],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("steps")
    service = Service.open(reopen(), folder)
    client = Client(build_app(service), "http://localhost")
    known: dict[str, dict[str, Any] | None] = {"P0001": {}}
    for step, item, word, price in steps:
        fields = {"title": word, "description": f"a {word}", "price": price}
        is_there, path = known.get(item) is not None, f"/v1/items/shop/{item}"
        if step == "put":
            answer = client.put(path, json={"fields": fields})
            known[item], expected = fields, 200
        elif step == "patch":
            answer, expected = client.patch(path, json={"fields": fields}), 200 if is_there else 404
            known[item] = (known[item] or {}) | fields if is_there else known.get(item)
        elif step == "delete":
            answer, expected = client.delete(path), 200 if is_there else 404
            known[item] = None if item in known else known.get(item)
        else:
            event = {"user": "u00003", "item": item, "scenario": "shop"}
            answer, expected = (
                client.post("/v1/events", json=event),
                200
                if item in known
                and (service.live.system.scenario("shop").catalogue.ids.get(item) is not None)
                else 422,
            )
        assert answer.status_code == expected, (step, item, answer.text)
    for item, entry in known.items():
        answer = client.get(f"/v1/items/shop/{item}")
        assert (answer.status_code == 200) == (entry is not None)
        if entry:
            assert answer.json()["fields"].items() >= entry.items()
    there = {item for item, entry in known.items() if entry is not None}
    assert {item for item in ITEMS if item in shown(client, user="nobody")} == there
    scores, ids = decide(service.live.system, Request("u00003", "shop", 10)).scores, shown(client)
    service.close()
    again = Service.open(reopen(), folder)
    second = Client(build_app(again), "http://localhost")
    try:
        assert np.array_equal(decide(again.live.system, Request("u00003", "shop", 10)).scores, scores)
        assert shown(second) == ids
    finally:
        again.close()
