"""Two tenants in one process: whoever has a key of one learns nothing of the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from polyscene.core.errors import ConfigError
from polyscene.core.settings.service import ServiceSettings
from polyscene.serving.app import build_app
from polyscene.serving.auth import KeyFile, Scope
from polyscene.serving.rights import OPEN, right_of
from polyscene.serving.service import Service
from polyscene.serving.tenants import Tenants

PATIENT = ServiceSettings(failures_per_address="1000000/second")
VOLATILE = ("decision", "time", "id", "cursor")
"""What differs between two answers to the same request."""
OWN_DECISIONS = "/v1/users/{user}/decisions"
"""Grows by what is asked here, so it is looked at by itself."""


@dataclass
class House:
    """Two tenants, their keys by scope, and a client of anywhere."""

    tenants: Tenants
    keys: dict[str, dict[Scope, str]]
    client: TestClient

    def ask(self, method: str, path: str, key: str | None, **more: Any) -> Any:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return self.client.request(method, path, headers=headers, **more)

    def endpoints(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return method, path and description of every endpoint that needs a key."""
        paths = self.client.get("/openapi.json").json()["paths"]
        return [
            (method.upper(), path, operation)
            for path, methods in paths.items()
            for method, operation in methods.items()
            if path not in OPEN
        ]


@pytest.fixture
def house(reopen: Any, tmp_path: Path) -> Iterator[House]:
    services, keys = [], {}
    for name in ("a", "b"):
        file = KeyFile(tmp_path / name / "keys.json")
        keys[name] = {scope: file.add(scope, [scope]) for scope in Scope}
        services.append(Service.open(reopen(), tmp_path / name, file, name=name, settings=PATIENT))
    tenants = Tenants(services)
    yield House(
        tenants,
        keys,
        TestClient(build_app(tenants), "http://anywhere.example", raise_server_exceptions=False),
    )
    tenants.close()


def refused(answer: Any, code: str) -> bool:
    """Return whether an answer is that error and nothing else."""
    if answer.headers["content-type"] != "application/json":
        return False
    value = answer.json()
    return list(value) == ["error"] and value["error"]["code"] == code and value["error"]["details"] == []


def test_every_endpoint_refuses_who_may_not(house: House) -> None:
    endpoints = house.endpoints()
    assert len(endpoints) >= 9
    for method, path, operation in [*endpoints, ("GET", "/nothing", {}), ("POST", "/v1/x/y", {})]:
        right = right_of(method, path)
        assert operation.get("x-scope", right) == right
        assert refused(house.ask(method, path, None), "unauthorised")
        assert refused(house.ask(method, path, "psk_" + "A" * 43), "unauthorised")
        for scope, key in house.keys["a"].items():
            answer = house.ask(method, path, key)
            may = scope in (right, Scope.admin) or (right, scope) == (Scope.metrics, Scope.read)
            assert answer.status_code != 500
            assert refused(answer, "forbidden") != may, (method, path, scope)


@pytest.mark.parametrize(
    ("method", "path", "right"),
    [
        ("POST", "/v1/events", "events"),
        ("POST", "/v1/events/batch", "events"),
        ("GET", "/v1/users", "read"),
        ("HEAD", "/v1/users", "read"),
        ("POST", "/v1/recommendations", "read"),
        ("GET", "/metrics", "metrics"),
        ("GET", "/v1/users/u1/export", "admin"),
        ("DELETE", "/v1/users/u1", "admin"),
        ("PUT", "/v1/items/shop/P1", "admin"),
        ("POST", "/v1/models/x/activate", "admin"),
        ("POST", "/v1/recommendationsx", "admin"),
        ("BREW", "/v1/users", "admin"),
    ],
)
def test_what_is_not_named_asks_for_the_most(method: str, path: str, right: str) -> None:
    assert right_of(method, path) == right


def test_open_paths_tell_nothing_of_the_data(house: House) -> None:
    runs = [service.live.run.id for service in house.tenants]
    for path in OPEN:
        answer = house.client.get(path)
        assert answer.status_code in (200, 401, 404)
        assert "u00001" not in answer.text
        assert not any(run in answer.text for run in runs)
    assert house.client.get("/health/ready").json() == {"status": "ready", "tenants": 2, "problems": 0}


def test_one_tenant_that_fails_is_told_without_its_name(house: House) -> None:
    next(iter(house.tenants)).live.fault = "expected /secret"
    answer = house.client.get("/health/ready")
    assert (answer.status_code, answer.json()) == (503, {"status": "not ready", "tenants": 2, "problems": 1})


def test_a_key_is_asked_for_before_the_body_is_read(house: House) -> None:
    answer = house.ask("POST", "/v1/events", None, content=b"\x00" * 2_000_000)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def filled(path: str, operation: dict[str, Any], values: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Return the path and the query of a request that names what a tenant knows."""
    query = {
        one["name"]: values[one["name"]]
        for one in operation.get("parameters", [])
        if one["in"] == "query" and one["name"] in values
    }
    return re.sub(r"\{(\w+)\}", lambda place: values.get(place[1], "x"), path), query


def steady(value: Any) -> Any:
    """Return an answer without what differs from time to time."""
    if isinstance(value, dict):
        return {key: steady(one) for key, one in value.items() if key not in VOLATILE}
    return [steady(one) for one in value] if isinstance(value, list) else value


def reading(house: House, key: str, values: dict[str, str]) -> dict[tuple[str, str], Any]:
    """Return what every endpoint that changes nothing answers."""
    answers = {}
    for method, path, operation in house.endpoints():
        if right_of(method, path) == Scope.read and path != OWN_DECISIONS:
            place, query = filled(path, operation, values)
            body = {"user": values["user"], "scenario": "shop"} if method == "POST" else None
            answer = house.ask(method, place, key, params=query, json=body)
            answers[method, path] = (answer.status_code, steady(answer.json()))
    return answers


def test_what_one_tenant_does_the_other_never_sees(house: House) -> None:
    first, second = house.keys["a"], house.keys["b"]
    asked = {"user": "only in a", "scenario": "shop"}
    slate = house.ask("POST", "/v1/recommendations", first[Scope.read], json=asked).json()
    item = slate["items"][0]["id"]
    values = {"user": "only in a", "item": item, "scenario": "shop", "decision": slate["decision"]}
    before = reading(house, second[Scope.read], values)
    event = {"user": "only in a", "item": item, "scenario": "shop", "action": "purchase", "id": "e1"}
    assert house.ask("POST", "/v1/events", first[Scope.events], json=event).json()["accepted"] == 1

    mine = house.ask("GET", "/v1/history", first[Scope.read], params={"user": "only in a"}).json()
    assert (mine["known"], mine["latest"]["shop"][0]["id"]) == (True, item)
    assert house.ask("GET", f"/v1/decisions/{slate['decision']}", first[Scope.read]).status_code == 200

    assert reading(house, second[Scope.read], values) == before
    assert before["GET", "/v1/decisions/{decision}"][0] == 404
    decisions = house.ask("GET", "/v1/users/only in a/decisions", second[Scope.read]).json()["decisions"]
    assert decisions
    assert slate["decision"] not in [one["decision"] for one in decisions]
    assert before["GET", "/v1/history"][1]["known"] is False
    # an id of one tenant's event is new to the other
    assert house.ask("POST", "/v1/events", second[Scope.events], json=event).json()["accepted"] == 1


def test_measurements_are_those_of_the_tenant(house: House) -> None:
    asked = {"user": "u00001", "scenario": "shop"}
    for _ in range(3):
        house.ask("POST", "/v1/recommendations", house.keys["a"][Scope.read], json=asked)
    house.ask("GET", "/v1/users", None)
    texts = {name: house.ask("GET", "/metrics", house.keys[name][Scope.metrics]).text for name in ("a", "b")}
    assert 'polyscene_slates_total{scenario="shop",tenant="a"} 3.0' in texts["a"]
    assert "polyscene_slates_total{" not in texts["b"]
    assert 'tenant="a"' not in texts["b"]
    assert 'polyscene_ready{tenant="b"} 1.0' in texts["b"]
    assert 'polyscene_requests_without_tenant_total{status="401",tenant="b"} 1.0' in texts["b"]
    assert 'polyscene_key_last_use_seconds{key="metrics",tenant="b"}' in texts["b"]
    house.ask("GET", "/v1/users", house.keys["b"][Scope.events])
    text = house.ask("GET", "/metrics", house.keys["b"][Scope.metrics]).text
    assert 'polyscene_request_seconds_count{endpoint="other",status="403",tenant="b"} 1.0' in text


def test_a_key_that_two_know_is_nobodys(house: House, tmp_path: Path) -> None:
    key = house.keys["a"][Scope.read]
    assert house.ask("GET", "/v1/users", key).status_code == 200
    (tmp_path / "b" / "keys.json").write_bytes((tmp_path / "a" / "keys.json").read_bytes())
    assert refused(house.ask("GET", "/v1/users", key), "unauthorised")
    with pytest.raises(ConfigError, match="one in two key files"):
        Tenants(list(house.tenants))


def test_tenants_need_names_and_keys_of_their_own(house: House) -> None:
    first, second = house.tenants
    first.name = "b"
    with pytest.raises(ConfigError, match="'b' twice"):
        Tenants([first, second])
    first.name, second.keys = "a", None
    with pytest.raises(ConfigError, match="keys: they tell the tenants apart"):
        Tenants([first, second])
    assert Tenants([second]).keyless is not None
    assert Tenants([first]).keyless is None
