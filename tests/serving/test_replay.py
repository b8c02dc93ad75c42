"""A past slate is drawn again bit for bit from what the log kept, after a restart too."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from polyscene.core.settings.rules import Rules
from polyscene.engine.rules import RuleBook
from polyscene.policies.limits import Cap, Limits, Quota
from polyscene.runs.run import Run
from polyscene.serving.app import build_app
from polyscene.serving.packing import limits_of, plain_limits
from polyscene.serving.replay import redrawn, replay
from polyscene.serving.service import Service

ASKED = {"user": "u00001", "scenario": "shop", "k": 6, "reasons": False}
EPSILON = {"name": "epsilon", "epsilon": 0.5}
LUCE = {"name": "plackett_luce", "temperature": 1.0}
REQUESTS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "epsilon": {"policy": EPSILON},
    "plackett_luce": {"policy": LUCE},
    "thompson": {"policy": {"name": "thompson", "deviation": 0.5}},
    "guarded": {
        "policy": {"name": "guarded", "share": 0.5, "explorer": {"name": "thompson", "deviation": 0.5}}
    },
    "not explored": {"policy": LUCE, "explore": False},
    "a stranger": {"user": "nobody", "policy": EPSILON},
    "filtered": {"policy": LUCE, "filter": {"price": {"at_least": 1}}, "context": {"page": "home", "n": 3}},
    "seen": {"policy": LUCE, "seen": "allow"},
    "a visit": {"policy": EPSILON, "events": [{"item": "ITEM", "action": "purchase"}]},
}
RULES = [
    {"name": "launch", "kind": "pin", "item": "ITEM", "place": 2},
    {"name": "one each", "kind": "cap", "by": "ATTRIBUTE", "most": 2},
    {"name": "more", "kind": "boost", "items": ["ITEM"], "offset": 0.5},
    {"name": "home", "kind": "quota", "items": ["ITEM"], "least": 1, "when": {"page": "home"}},
]


@pytest.fixture(params=[False, True], ids=["plain", "rules"])
def ruled(request: pytest.FixtureRequest, service: Service) -> Service:
    state = service.live.system.scenarios["shop"]
    if request.param:
        text = next(name for name in state.catalogue.names if state.catalogue.column(name).is_text)
        rules = [
            {key: filled(value, state.catalogue.ids[3], text) for key, value in rule.items()}
            for rule in RULES
        ]
        state.rules = RuleBook(TypeAdapter(Rules).validate_python(rules))
    return service


def filled(value: Any, item: str, attribute: str = "") -> Any:
    if isinstance(value, list):
        return [filled(one, item) for one in value]
    if isinstance(value, dict):
        return {name: filled(one, item) for name, one in value.items()}
    return {"ITEM": item, "ATTRIBUTE": attribute}.get(value, value) if isinstance(value, str) else value


@pytest.mark.parametrize("name", list(REQUESTS))
def test_every_slate_is_drawn_again_and_computed_again(ruled: Service, name: str) -> None:
    client = TestClient(build_app(ruled), "http://localhost", raise_server_exceptions=False)
    item = ruled.live.system.scenarios["shop"].catalogue.ids[3]
    for _ in range(5):
        answer = client.post("/v1/recommendations", json=ASKED | filled(REQUESTS[name], item))
        assert answer.status_code == 200, answer.text
        slate = answer.json()
        again = client.get(f"/v1/decisions/{slate['decision']}/replay").json()
        assert again["same"] is True
        assert again["slate"] == [place["id"] for place in slate["items"]]
        assert again["propensities"] == [place["propensity"] for place in slate["items"]]
        assert (again["recomputed"], again["recomputed_same"]) == (True, True)
        assert again["why_not_recomputed"] is None


def test_slates_of_chance_differ_and_their_seeds_too(client: TestClient) -> None:
    slates = [client.post("/v1/recommendations", json=ASKED | {"policy": LUCE}).json() for _ in range(8)]
    assert len({tuple(place["id"] for place in slate["items"]) for slate in slates}) > 1
    records = [client.get(f"/v1/decisions/{slate['decision']}").json() for slate in slates]
    assert len({record["seed"] for record in records}) == 8
    assert all(record["policy"] == LUCE for record in records)


def test_a_record_that_was_tampered_with_is_not_the_same(client: TestClient, service: Service) -> None:
    name = client.post("/v1/recommendations", json=ASKED | {"policy": LUCE}).json()["decision"]
    record = service.decisions.find(name)
    assert record is not None
    places, propensities = redrawn(record)
    assert places.tolist() == record.details["places"]
    other, _ = redrawn(replace(record, details={**record.details, "seed": record.details["seed"] + 1}))
    assert other.tolist() != places.tolist()
    halved = [propensity / 2 for propensity in propensities.tolist()]
    live = service.live
    for wrong in (
        replace(record, details={**record.details, "propensities": halved}),
        replace(record, scores=record.scores[4:] + record.scores[:4]),
    ):
        again = replay(wrong, live.system, live.run.id)
        assert (again["same"], again["recomputed_same"]) == (False, False)


def test_what_came_since_keeps_a_slate_from_being_computed_again(
    client: TestClient, service: Service
) -> None:
    def hindrance(name: str) -> str:
        value = client.get(f"/v1/decisions/{name}/replay").json()
        assert (value["same"], value["recomputed"], value["recomputed_same"]) == (True, False, None)
        return str(value["why_not_recomputed"])

    def slate() -> dict[str, Any]:
        value: dict[str, Any] = client.post("/v1/recommendations", json=ASKED).json()
        return value

    first = slate()
    state = service.live.system.scenarios["shop"]
    state.rules = RuleBook(
        TypeAdapter(Rules).validate_python(
            [{"name": "x", "kind": "block", "items": [state.catalogue.ids[0]]}]
        )
    )
    assert hindrance(first["decision"]) == "the rules have changed since"
    second = slate()
    state.catalogue.puts.append(0)
    assert hindrance(second["decision"]) == "items were put, taken out or set back since"
    third = slate()
    event = {"user": "u00002", "item": third["items"][0]["id"], "scenario": "shop", "action": "click"}
    assert client.post("/v1/events", json=event).status_code == 200
    assert hindrance(third["decision"]) == "1 event came since"
    assert client.post("/v1/events", json=event).status_code == 200
    assert hindrance(third["decision"]) == "2 events came since"
    fourth = slate()
    assert client.post("/v1/users/u00002/erasure").status_code == 200
    assert client.post("/v1/events", json=event).status_code == 200
    assert hindrance(fourth["decision"]) == "somebody was erased since"
    assert client.get("/v1/decisions/none/replay").status_code == 404


def test_a_slate_is_drawn_again_after_a_restart(run: Run, tmp_path: Path) -> None:
    names: list[str] = []
    for start in range(2):
        service = Service.open(Run(run.folder), tmp_path / "service")
        client = TestClient(build_app(service), "http://localhost", raise_server_exceptions=False)
        for name in names:
            again = client.get(f"/v1/decisions/{name}/replay").json()
            assert (again["same"], again["recomputed_same"]) == (True, True)
        if not start:
            bodies = [ASKED | values for values in ({"policy": EPSILON}, {"policy": LUCE}, {})]
            names = [client.post("/v1/recommendations", json=body).json()["decision"] for body in bodies]
        service.close()


@pytest.mark.parametrize("by_snapshot", [True, False], ids=["by a snapshot", "by the log"])
def test_what_was_put_is_counted_through_a_restart(run: Run, tmp_path: Path, by_snapshot: bool) -> None:
    service = Service.open(Run(run.folder), tmp_path / "service")
    client = TestClient(build_app(service), "http://localhost", raise_server_exceptions=False)
    system = service.live.system
    item = system.scenarios["shop"].catalogue.ids[3]
    rows = [{"title": f"Lamp {number}"} for number in range(3)]
    for fields in rows:  # three times the same item, of which a snapshot holds the last
        assert client.put("/v1/items/shop/lamp", json={"fields": fields}).status_code == 200
    assert client.delete(f"/v1/items/shop/{item}").status_code == 200
    name = client.post("/v1/recommendations", json=ASKED).json()["decision"]
    service.close()
    if not by_snapshot:
        shutil.rmtree(tmp_path / "service" / "snapshots")

    service = Service.open(Run(run.folder), tmp_path / "service")
    client = TestClient(build_app(service), "http://localhost", raise_server_exceptions=False)
    assert service.live.replayed == (0 if by_snapshot else 4)
    again = client.get(f"/v1/decisions/{name}/replay").json()
    assert (again["recomputed_same"], again["why_not_recomputed"]) == (True, None)
    assert client.put("/v1/items/shop/lamp", json={"fields": rows[0]}).status_code == 200
    again = client.get(f"/v1/decisions/{name}/replay").json()
    assert (again["recomputed"], again["why_not_recomputed"]) == (
        False,
        "items were put, taken out or set back since",
    )
    service.close()


def test_limits_are_kept_whole() -> None:
    draws = np.random.default_rng(0)
    limits = Limits(
        {0: 7, 3: 900},
        (Cap(draws.integers(-1, 70_000, 1001), 2), Cap(np.full(1001, -1), 0)),
        (Quota(draws.random(1001) < 0.5, 3),),
    )
    again = limits_of(plain_limits(limits), 1001)
    assert again.pins == limits.pins
    for cap, other in zip(limits.caps, again.caps, strict=True):
        assert (cap.groups.tolist(), cap.most) == (other.groups.tolist(), other.most)
    assert again.quotas[0].members.tolist() == limits.quotas[0].members.tolist()
    assert again.quotas[0].least == 3
    assert not limits_of(None, 5)
