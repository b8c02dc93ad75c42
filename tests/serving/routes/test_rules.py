from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from polyscene.runs.run import Run
from polyscene.serving.service import Service

Client = TestClient
ErrorOf = Callable[[Any], dict[str, Any]]
PATH = "/v1/rules/shop"
ASKED = {"user": "u00001", "scenario": "shop", "k": 5, "reasons": False}


def shown(client: Client) -> list[str]:
    return [place["id"] for place in client.post("/v1/recommendations", json=ASKED).json()["items"]]


def test_rules_hold_for_the_next_request_and_after_a_restart(
    client: Client, service: Service, reopen: Callable[[], Run], tmp_path: Path
) -> None:
    before = shown(client)
    assert client.get(PATH).json() == {"scenario": "shop", "version": "", "rules": []}
    rules = [{"name": "out", "kind": "block", "items": [before[0]]}]
    value = client.put(PATH, json={"rules": rules}).json()
    assert (len(value["version"]), value["doubts"]) == (12, [])
    assert value["rules"][0]["items"] == [before[0]]
    assert shown(client)[:4] == before[1:]
    assert client.get(PATH).json()["version"] == value["version"]
    service.close()
    again = Service.open(reopen(), tmp_path / "service")
    try:
        assert again.live.system.scenario("shop").rules.version == value["version"]
        again.live.system.scenario("shop").rules = type(again.live.system.scenario("shop").rules)()
        again.management.changes.restore_rules()  # as after a start from a snapshot that holds the log
        assert again.live.system.scenario("shop").rules.version == value["version"]
    finally:
        again.close()


def test_without_rules_of_its_own_the_configured_ones_hold(client: Client) -> None:
    before = shown(client)
    client.put(PATH, json={"rules": [{"name": "out", "kind": "block", "items": [before[0]]}]})
    assert shown(client) != before
    assert client.delete(PATH).json()["rules"] == []
    assert shown(client) == before


def test_what_is_no_rule_is_refused_and_not_kept(client: Client, service: Service, error_of: ErrorOf) -> None:
    for rules, message in (
        ([{"name": "x", "kind": "shout"}], "as kind, found 'shout'"),
        ([{"name": "x", "kind": "pin", "item": "P0001", "place": 0}], "key rules.0.place: "),
        ([{"name": "x", "kind": "block", "where": {"colour": "red"}}], "colour"),
        ([{"name": "x", "kind": "block", "items": ["a"]}] * 2, "twice"),
    ):
        error = error_of(client.put(PATH, json={"rules": rules}))
        assert error["code"] == "invalid"
        assert message in error["message"]
    assert error_of(client.put("/v1/rules/cinema", json={"rules": []}))["code"] == "unknown_id"
    assert error_of(client.get("/v1/rules/cinema"))["code"] == "unknown_id"
    assert service.live.store.last == 0


def test_an_item_that_is_not_there_is_a_doubt(client: Client) -> None:
    value = client.put(PATH, json={"rules": [{"name": "x", "kind": "block", "items": ["none"]}]}).json()
    assert "none" in value["doubts"][0]
