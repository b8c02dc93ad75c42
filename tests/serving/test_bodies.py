"""A key that nobody knows is refused and named, wherever the keys of a body are the service's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

ErrorOf = Callable[[Any], dict[str, Any]]
EVENT = {"user": "u1", "item": "P0001", "scenario": "shop"}
ASKED = {"user": "u1", "scenario": "shop"}
BLOCK = {"name": "x", "kind": "block", "items": ["P0001"]}
BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/events": EVENT,
    "POST /v1/events/batch": {"events": [EVENT]},
    "POST /v1/recommendations": ASKED,
    "POST /v1/predictions": ASKED | {"items": ["P0001"]},
    "POST /v1/explanations/why-not": ASKED | {"item": "P0001"},
    "PUT /v1/items/{scenario}/{item}": {"fields": {"title": "x"}},
    "PATCH /v1/items/{scenario}/{item}": {"fields": {"price": 3}},
    "PUT /v1/users/{user}": {"fields": {"country": "DE"}},
    "PATCH /v1/users/{user}": {"fields": {"age": 3}},
    "PUT /v1/rules/{scenario}": {"rules": []},
}

ROLLBACK = "POST /v1/items/{scenario}/{item}/rollback"
"""Needs a posterior, which the run here has not; its body is looked at before."""


def asked(client: TestClient, line: str, body: object) -> Any:
    method, path = line.split(" ")
    return client.request(method, path.format(scenario="shop", item="P0001", user="u1"), json=body)


def test_every_body_is_looked_at_here(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    with_json = {
        f"{method.upper()} {path}"
        for path, ways in paths.items()
        for method, operation in ways.items()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    }
    assert with_json == {*BODIES, ROLLBACK}


def test_an_unknown_key_of_a_rollback_is_refused_and_named(client: TestClient, error_of: ErrorOf) -> None:
    (detail,) = error_of(asked(client, ROLLBACK, {"offset": 1, "optoin": 1}))["details"]
    assert detail["where"] == "optoin"
    assert "offset" in detail["message"]


@pytest.mark.parametrize("line", list(BODIES))
def test_an_unknown_key_is_refused_and_named_beside_those_that_are_known(
    client: TestClient, error_of: ErrorOf, line: str
) -> None:
    body, whole = BODIES[line], line.replace("PATCH", "PUT")
    assert asked(client, whole, BODIES[whole]).status_code == 200
    (detail,) = error_of(asked(client, line, body | {"optoin": 1}))["details"]
    assert detail["where"] == "optoin"
    assert "found 'optoin'" in detail["message"]
    assert all(key in detail["message"] for key in body)
    assert asked(client, line, body).status_code == 200


@pytest.mark.parametrize(
    ("line", "more", "where", "known"),
    [
        ("POST /v1/events/batch", {"events": [EVENT | {"itm": 1}]}, "events.0.itm", "action, id, item"),
        (
            "POST /v1/recommendations",
            {"events": [{"item": "P0001", "atcion": "x"}]},
            "events.0.atcion",
            "action",
        ),
        ("POST /v1/recommendations", {"filter": {"price": {"at_mst": 3}}}, "filter.price.at_mst", "at_most"),
        ("POST /v1/recommendations", {"policy": {"name": "epsilon", "epsilo": 1}}, "policy", "takes epsilon"),
    ],
)
def test_deeper_keys_are_refused_too(
    client: TestClient, error_of: ErrorOf, line: str, more: dict[str, Any], where: str, known: str
) -> None:
    (detail,) = error_of(asked(client, line, BODIES[line] | more))["details"]
    assert detail["where"] == where
    assert known in detail["message"]


def test_an_unknown_key_of_a_rule_is_named(client: TestClient, error_of: ErrorOf) -> None:
    error = error_of(asked(client, "PUT /v1/rules/{scenario}", {"rules": [BLOCK | {"itms": ["P0001"]}]}))
    assert error["code"] == "invalid"
    assert "one of from, items, kind, name, until, when, where" in error["message"]
    assert "itms" in error["message"]


@pytest.mark.parametrize(
    "path",
    ["/v1/models/none/activate", "/v1/models/rollback", "/v1/users/u1/erasure", "/v1/jobs/none/cancel"],
)
def test_where_no_body_counts_none_is_taken(client: TestClient, error_of: ErrorOf, path: str) -> None:
    error = error_of(client.post(path, json={"force": True}))
    assert (error["code"], error["message"][:22]) == ("invalid", "expected no body here,")


def test_an_empty_object_is_no_body(client: TestClient) -> None:
    assert client.post("/v1/users/u1/erasure", json={}).status_code == 200
