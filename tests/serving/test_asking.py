"""What a request may say over HTTP beside user and size, and how it is refused what it cannot mean."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from polyscene.core.settings.policies import PolicyChoice
from polyscene.core.settings.rules import Rules
from polyscene.core.settings.service import ServiceSettings
from polyscene.engine.rules import RuleBook
from polyscene.policies.registry import policy_of
from polyscene.runs.run import Run
from polyscene.serving.app import build_app
from polyscene.serving.service import Service
from polyscene.serving.stores.contract import EPOCH

ASKED = {"user": "u00001", "scenario": "shop", "k": 5, "reasons": False}
EPSILON = {"name": "epsilon", "epsilon": 1.0}


def slate(client: TestClient, **more: Any) -> dict[str, Any]:
    answer = client.post("/v1/recommendations", json=ASKED | more)
    assert answer.status_code == 200, answer.text
    value: dict[str, Any] = answer.json()
    return value


def ids(value: dict[str, Any]) -> list[str]:
    return [place["id"] for place in value["items"]]


def test_the_scenarios_policy_chooses_unless_the_request_says_otherwise(
    client: TestClient, service: Service
) -> None:
    greedy = slate(client)
    assert greedy["policy"] == {"name": "greedy"}
    assert {place["propensity"] for place in greedy["items"]} == {1.0}
    service.live.system.scenarios["shop"].policy = policy_of(PolicyChoice(**EPSILON))
    drawn = slate(client)
    assert drawn["policy"] == EPSILON
    assert max(place["propensity"] for place in drawn["items"]) < 0.5
    assert ids(slate(client, policy="greedy")) == ids(slate(client, explore=False)) == ids(greedy)


def test_predictions_are_those_of_the_run_that_answers(
    client: TestClient, service: Service, error_of: Callable[[Any], dict[str, Any]]
) -> None:
    items = ids(slate(client))
    value = client.post(
        "/v1/predictions", json={"user": ASKED["user"], "scenario": "shop", "items": items}
    ).json()
    expected = service.live.run.predictions("u00001", items, "shop")["next_choice"]
    assert [row["item"] for row in value["items"]] == items
    assert [row["predictions"]["next_choice"] for row in value["items"]] == pytest.approx(expected.tolist())
    visit = {"user": "guest", "scenario": "shop", "items": items, "history": [items[0]]}
    assert client.post("/v1/predictions", json=visit).json()["items"][0]["predictions"]["next_choice"] == 0
    refused = client.post("/v1/predictions", json=visit | {"items": ["none-such"]})
    assert refused.status_code == 404
    assert "none-such" in error_of(refused)["message"]


def test_context_and_filter_are_kept_and_obeyed(client: TestClient) -> None:
    context = {"page": "home", "n": 2, "new": True, "share": 0.5}
    value = slate(client, context=context, filter={"price": {"at_most": 40}}, seen="allow")
    assert all(place["attributes"]["price"] <= 40 for place in value["items"])
    record = client.get(f"/v1/decisions/{value['decision']}").json()
    assert (record["context"], record["filter"]) == (context, {"price": {"at_most": 40}})
    assert record["seen"] == "allow"
    bare = client.get(f"/v1/decisions/{slate(client)['decision']}").json()
    assert set(bare) == set(record)
    assert (bare["context"], bare["limits"], bare["effects"]) == ({}, None, [])


def test_events_of_a_visit_count_as_the_scenario_weighs_them(client: TestClient, service: Service) -> None:
    items = ids(slate(client))[:2]
    events = [{"item": item, "action": "purchase"} for item in items]
    visit = slate(client, user="guest", events=events)
    expected = service.live.run.recommend("guest", "shop", 5, history=items)
    assert ids(visit) == expected.ids
    ignored = [*events, {"item": ids(visit)[0], "action": "impression"}]
    assert ids(slate(client, user="guest", events=ignored)) == ids(visit)
    assert service.live.store.last == 0


def test_rules_are_told_in_answers_and_decisions(client: TestClient, service: Service) -> None:
    state = service.live.system.scenarios["shop"]
    last = ids(slate(client, k=30))[-1]
    rules = [{"name": "launch", "kind": "pin", "item": last, "place": 1, "when": {"page": "home"}}]
    state.rules = RuleBook(TypeAdapter(Rules).validate_python(rules))
    value = slate(client, context={"page": "home"}, reasons=True)
    assert ids(value)[0] == last
    assert value["items"][0]["rules"] == ["pinned here by the rule 'launch'"]
    assert "rules" not in value["items"][1]
    assert value["rules"] == [{"rule": "launch", "kind": "pin", "items": 1, "amount": 1, "note": ""}]
    record = client.get(f"/v1/decisions/{value['decision']}").json()
    assert record["marks"] == [{"place": 0, "rule": "launch", "kind": "pin", "amount": 0.0}]
    assert record["rules_version"] == state.rules.version
    assert last not in ids(slate(client, context={"page": "cart"}))


def test_why_not_is_answered_for_a_query_and_for_a_whole_request(
    client: TestClient, service: Service
) -> None:
    order = ids(slate(client, k=12))
    asked: dict[str, Any] = {"user": "u00001", "scenario": "shop", "item": order[8], "k": 5}
    why = client.get("/v1/explanations/why-not", params=asked).json()
    assert (why["rank"], why["obstacles"][0]["stage"], why["obstacles"][0]["change"]["k"]) == (9, "ranked", 9)
    assert why["enough"] is True
    assert client.post("/v1/explanations/why-not", json=asked).json() == why
    shut = client.post(
        "/v1/explanations/why-not", json=asked | {"item": order[0], "exclude": [order[0]]}
    ).json()
    assert [one["stage"] for one in shut["obstacles"]] == ["excluded"]
    assert client.get("/v1/explanations/why-not", params=asked | {"item": "none"}).json()["rank"] is None
    page = slate(client)
    again = client.post(
        "/v1/explanations/why-not", json=asked | {"item": ids(page)[0], "cursor": page["cursor"]}
    ).json()
    assert [one["stage"] for one in again["obstacles"]] == ["shown on an earlier page"]
    assert service.decisions.lost == 0


def test_lists_and_users_are_answered(client: TestClient, service: Service) -> None:
    for name in ("popular", "latest"):
        value = client.get(f"/v1/scenarios/shop/{name}", params={"k": 4}).json()
        scores = [place["score"] for place in value["items"]]
        assert (len(scores), scores) == (4, sorted(scores, reverse=True))
    users = client.get("/v1/users/u00001/similar", params={"scenario": "shop", "k": 3}).json()["users"]
    assert len(users) == 3
    assert "u00001" not in {user["id"] for user in users}
    assert client.get("/v1/users/nobody/similar", params={"scenario": "shop"}).status_code == 404
    names = [slate(client)["decision"] for _ in range(3)]
    assert [row["decision"] for row in client.get("/v1/users/u00001/decisions").json()["decisions"]] == names[
        ::-1
    ]
    service.decisions.close()
    kept = client.get("/v1/users/u00001/decisions", params={"limit": 2}).json()["decisions"]
    assert [row["decision"] for row in kept] == names[:0:-1]
    assert len(kept[0]["slate"]) == 5
    assert client.get("/v1/users/nobody/decisions").json()["decisions"] == []


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"policy": "luck"}, "one of greedy, epsilon, plackett_luce"),
    ({"policy": "thompson"}, "no signal that knows how uncertain it is"),
    ({"policy": {"name": "guarded", "explorer": "luck"}}, "one of greedy"),
    ({"policy": {"name": "epsilon", "epsilon": 3}}, "less than or equal to 1"),
    ({"filter": {"colour": "red"}}, "the filter names what the items do not have"),
    ({"filter": {"price": "cheap"}}, "compares 'price' with texts"),
    ({"filter": {"price": {"at_most": "20"}}}, "valid"),
    ({"filter": "price < 20"}, "valid dictionary"),
    ({"context": {str(number): 1 for number in range(21)}}, "at most 20"),
    ({"context": {"page": ["home"]}}, "valid"),
    ({"context": {"page": None}}, "valid"),
    ({"seen": "maybe"}, "'hide' or 'allow'"),
    ({"events": [{"item": "x", "action": "dance"}]}, "unknown action"),
    ({"events": [], "history": []}, "found both"),
    ({"events": [{"item": "no such item"}]}, "found 'no such item'"),
]


@pytest.mark.parametrize(("more", "message"), REFUSED)
def test_what_cannot_be_meant_is_refused(client: TestClient, more: dict[str, Any], message: str) -> None:
    answer = client.post("/v1/recommendations", json=ASKED | more)
    assert answer.status_code in (404, 422)
    assert message in answer.text


def test_numbers_that_are_none_are_refused(client: TestClient) -> None:
    for text in ("NaN", "Infinity", "1e999", "1" * 400):
        body = (
            f'{{"user": "u", "scenario": "shop", "context": {{"n": {text}}}, "filter": {{"price": {text}}}}}'
        )
        answer = client.post(
            "/v1/recommendations", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422, text


def test_a_request_is_asked_when_the_latest_event_was_where_the_clock_says_so(
    reopen: Callable[[], Run], tmp_path: Path
) -> None:
    run = reopen()
    service = Service.open(run, tmp_path / "service", settings=ServiceSettings(clock="events"))
    try:
        client = TestClient(build_app(service), "http://localhost")
        state = service.live.system.scenarios["shop"]
        then = EPOCH + timedelta(microseconds=service.live.system.now(state)) + timedelta(days=3)
        item = state.catalogue.ids[0]
        event = {"user": "u", "item": item, "scenario": "shop", "time": then.isoformat()}
        assert client.post("/v1/events", json=event).json()["accepted"] == 1
        slate = client.post("/v1/recommendations", json={"user": "u", "scenario": "shop"}).json()
        record = service.decisions.find(slate["decision"])
        assert record is not None
        assert EPOCH + timedelta(microseconds=record.time - 1) == then
    finally:
        service.close()
