from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from starlette.types import Receive, Send

from polyscene.core.settings.service import ServiceSettings
from polyscene.serving.app import build_app
from polyscene.serving.failures import STATUS
from polyscene.serving.limits import MAX_EVENTS_PER_BATCH, MAX_SLATE
from polyscene.serving.service import Service

Client = TestClient
MAX_BODY_BYTES = ServiceSettings().body_bytes
ASKED = {"user": "u00001", "scenario": "shop", "k": 5}


def slate(client: Client, **more: Any) -> dict[str, Any]:
    answer = client.post("/v1/recommendations", json=ASKED | more)
    assert answer.status_code == 200, answer.text
    value: dict[str, Any] = answer.json()
    return value


def ids(value: dict[str, Any]) -> list[str]:
    return [place["id"] for place in value["items"]]


def error_of(answer: Any) -> dict[str, Any]:
    """Return the error of an answer, whose shape is the same wherever it comes from."""
    value = answer.json()
    assert list(value) == ["error"]
    error: dict[str, Any] = value["error"]
    assert list(error) == ["code", "message", "details"]
    assert STATUS[error["code"]] == answer.status_code
    assert all(list(detail) == ["where", "message"] for detail in error["details"])
    assert "Traceback" not in answer.text
    return error


def test_a_slate_is_that_of_the_run(client: Client, service: Service) -> None:
    value, expected = slate(client), service.live.run.recommend("u00001", "shop", 5)
    assert ids(value) == expected.ids
    assert [place["score"] for place in value["items"]] == [place.score for place in expected]
    assert [place["reason"] for place in value["items"]] == [place.reason for place in expected]
    assert (value["run"], value["user"], value["scenario"]) == (service.live.run.id, "u00001", "shop")
    assert set(value["items"][0]) == {"id", "title", "attributes", "score", "propensity", "reason", "signals"}


def test_without_reasons_the_slate_is_the_same(client: Client) -> None:
    bare = slate(client, reasons=False)
    assert ids(bare) == ids(slate(client))
    assert set(bare["items"][0]) == {"id", "title", "attributes", "score", "propensity"}


def test_excluded_items_are_not_shown(client: Client) -> None:
    first = ids(slate(client))
    assert not set(first) & set(ids(slate(client, exclude=first)))


def test_a_slate_may_be_asked_out_of_given_items(client: Client) -> None:
    wanted = ids(slate(client, k=50))[-3:]
    value = slate(client, only=wanted)
    assert sorted(ids(value)) == sorted(wanted)
    assert client.get(f"/v1/decisions/{value['decision']}").json()["only"] == wanted
    assert (
        error_of(client.post("/v1/recommendations", json=ASKED | {"only": ["none"]}))["code"] == "unknown_id"
    )


def test_a_visit_without_an_account_brings_its_history(client: Client, service: Service) -> None:
    history = ids(slate(client))[:2]
    value = slate(client, user="guest", history=history)
    expected = service.live.run.recommend("guest", "shop", 5, history=history)
    assert ids(value) == expected.ids
    assert not set(history) & set(ids(value))
    assert service.live.store.last == 0


def test_a_stranger_is_told_so(client: Client) -> None:
    value = slate(client, user="a stranger")
    assert value["user_known"] is False
    assert "suits everybody" in value["notes"][0]


def test_a_click_changes_the_next_slate(client: Client) -> None:
    before = ids(slate(client))
    event = {"user": "u00001", "item": before[0], "scenario": "shop", "action": "purchase", "id": "e1"}
    assert client.post("/v1/events", json=event).json() == {
        "accepted": 1,
        "duplicates": 0,
        "repeated": False,
        "offset": 1,
    }
    assert before[0] not in ids(slate(client))
    again = client.post("/v1/events", json=event).json()
    assert (again["accepted"], again["duplicates"], again["offset"]) == (0, 1, 1)
    latest = client.get("/v1/history", params={"user": "u00001"}).json()["latest"]
    assert latest["shop"][0]["id"] == before[0]


def test_a_batch_is_taken_once_by_its_key(client: Client) -> None:
    item = ids(slate(client))[0]
    events = [
        {"user": 7, "item": item, "scenario": "shop", "time": "2026-06-01T12:00:00+02:00"},
        {"user": "7", "item": item, "scenario": "shop", "action": "rating", "value": 4},
    ]
    headers = {"Idempotency-Key": "k1"}
    answers = [client.post("/v1/events/batch", json={"events": events}, headers=headers) for _ in range(2)]
    assert [answer.json()["repeated"] for answer in answers] == [False, True]
    assert [answer.json()["offset"] for answer in answers] == [2, 2]
    other = client.post("/v1/events/batch", json={"events": events[:1]}, headers=headers)
    assert error_of(other)["code"] == "conflict"


def test_a_refused_batch_tells_every_wrong_event(client: Client, service: Service) -> None:
    good = {"user": "a", "item": ids(slate(client))[0], "scenario": "shop"}
    bad = [good | {"item": "none"}, good, good | {"scenario": "cinema"}]
    error = error_of(client.post("/v1/events/batch", json={"events": bad}))
    assert error["code"] == "events_refused"
    assert [detail["where"] for detail in error["details"]] == ["events.0", "events.2"]
    assert service.live.store.last == 0


def test_a_past_decision_is_told_as_it_was(client: Client, service: Service) -> None:
    value = slate(client)
    record = client.get(f"/v1/decisions/{value['decision']}").json()
    assert record["slate"] == ids(value)
    assert (record["run"], record["position"], record["k"]) == (value["run"], value["position"], 5)
    scores = np.array(record["scores"], np.float32)
    assert [float(scores[place]) for place in record["places"]] == [one["score"] for one in value["items"]]
    assert len(record["candidates"]) == len(scores) >= 5
    assert record["propensities"] == [one["propensity"] for one in value["items"]]
    service.decisions.close()  # what waited is on the disk now
    assert client.get(f"/v1/decisions/{value['decision']}").json() == record
    assert error_of(client.get("/v1/decisions/none"))["code"] == "unknown_id"


def test_an_explanation_is_that_of_the_run(client: Client, service: Service) -> None:
    item = ids(slate(client))[1]
    why = client.get("/v1/explanations", params={"user": "u00001", "item": item, "scenario": "shop"}).json()
    expected = service.live.run.explain("u00001", item, "shop")
    assert (why["rank"], why["candidates"], why["reason"]) == (2, expected.candidates, expected.reason)
    assert why["shares"] == expected.shares


def test_similar_items_are_those_of_the_run(client: Client, service: Service) -> None:
    item = ids(slate(client))[0]
    near = client.get(f"/v1/items/shop/{item}/similar", params={"k": 3}).json()
    assert ids(near) == [place.item.id for place in service.live.run.similar(item, "shop", 3)]
    assert error_of(client.get("/v1/items/shop/a%2Fb/similar"))["message"].startswith("expected an item")


def test_scenarios_and_users_are_listed(client: Client) -> None:
    value = client.get("/v1/scenarios").json()
    assert [row["name"] for row in value["scenarios"]] == ["shop", "news", "video"]
    assert "skip" in value["scenarios"][0]["actions"]
    assert client.get("/v1/users", params={"limit": 2}).json() == {"users": ["u00001", "u00002"]}
    assert client.get("/v1/history", params={"user": "nobody"}).json()["known"] is False


def test_health_and_metrics(client: Client) -> None:
    slate(client)
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.get("/health/ready").json()["status"] == "ready"
    text = client.get("/metrics").text
    assert 'polyscene_slates_total{scenario="shop"} 1.0' in text
    assert 'polyscene_request_seconds_count{endpoint="/v1/recommendations",status="200"} 1.0' in text
    assert "polyscene_log_offset 0.0" in text


def test_a_service_that_cannot_learn_is_not_ready(client: Client, service: Service) -> None:
    service.live.fault = "expected /secret/path"
    answer = client.get("/health/ready")
    assert (answer.status_code, answer.json()["status"], answer.json()["problems"]) == (503, "not ready", 1)
    assert "/secret" not in answer.text


EVENT = {"user": "u", "item": "i", "scenario": "shop"}
WRONG = [
    ("/v1/recommendations", {}, "invalid"),
    ("/v1/recommendations", {"user": "u", "scenario": "cinema"}, "unknown_id"),
    ("/v1/recommendations", {"user": "u"}, "unknown_id"),
    ("/v1/recommendations", {"user": "u", "scenario": "shop", "exclude": ["none"]}, "unknown_id"),
    ("/v1/recommendations", {"user": "u", "scenario": "shop", "k": 0}, "invalid"),
    ("/v1/recommendations", {"user": "u", "scenario": "shop", "k": MAX_SLATE + 1}, "invalid"),
    ("/v1/recommendations", {"user": True, "scenario": "shop"}, "invalid"),
    ("/v1/recommendations", {"user": "u" * 300, "scenario": "shop"}, "invalid"),
    ("/v1/recommendations", {"user": "u", "scenario": "shop", "K": 3}, "invalid"),
    ("/v1/recommendations", [], "invalid"),
    ("/v1/recommendations", None, "invalid"),
    ("/v1/events", EVENT | {"time": 1_700_000_000}, "invalid"),
    ("/v1/events", EVENT | {"time": "yesterday"}, "invalid"),
    ("/v1/events", EVENT | {"time": "0001-01-01T00:00:00+23:59"}, "events_refused"),
    ("/v1/events", EVENT | {"value": "1e999"}, "invalid"),
    ("/v1/events", EVENT, "events_refused"),
    ("/v1/events/batch", {"events": []}, "invalid"),
    ("/v1/events/batch", {"events": [EVENT] * (MAX_EVENTS_PER_BATCH + 1)}, "invalid"),
]


@pytest.mark.parametrize(("path", "body", "code"), WRONG)
def test_what_is_wrong_is_told_in_one_shape(client: Client, path: str, body: object, code: str) -> None:
    assert error_of(client.post(path, json=body))["code"] == code


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nothing", "not_found"),
        ("DELETE", "/v1/events", "method_not_allowed"),
        ("GET", "/v1/explanations", "invalid"),
        ("GET", "/v1/users?limit=x", "invalid"),
    ],
)
def test_other_requests_are_refused_in_the_same_shape(
    client: Client, method: str, path: str, code: str
) -> None:
    assert error_of(client.request(method, path))["code"] == code


def test_a_body_that_is_too_large_is_refused(client: Client) -> None:
    error = error_of(client.post("/v1/events", content=b" " * (MAX_BODY_BYTES + 1)))
    assert error["code"] == "too_large"

    def parts() -> Any:  # without a length, as a client that tells nothing would
        for _ in range(MAX_BODY_BYTES // 65_536 + 1):
            yield b" " * 65_536

    assert error_of(client.post("/v1/events", content=parts()))["code"] == "too_large"


async def _asked(service: Service, scope: dict[str, Any], receive: Receive, send: Send) -> None:
    await build_app(service)(scope, receive, send)


def test_a_tenants_limits_may_be_smaller(client: Client, service: Service) -> None:
    service.settings = ServiceSettings(body_bytes=1_024, batch_events=2)
    event = {"user": "u", "item": ids(slate(client))[0], "scenario": "shop"}
    assert client.post("/v1/events/batch", json={"events": [event] * 2}).json()["accepted"] == 2
    too_many = client.post("/v1/events/batch", json={"events": [event] * 3})
    assert error_of(too_many)["message"].startswith("expected at most 2 events at once, found 3")
    assert error_of(client.post("/v1/events", content=b" " * 1_025))["code"] == "too_large"
    assert service.live.store.last == 2


def test_half_a_body_is_not_taken(service: Service) -> None:
    sent: list[Any] = []
    parts = [
        {"type": "http.request", "body": b'{"user": "u", ', "more_body": True},
        {"type": "http.disconnect"},
    ]
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/events", "headers": headers, "query_string": b""}

    async def receive() -> Any:
        return parts.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(_asked(service, scope, receive, send))
    assert sent[0]["status"] == 400
    assert service.live.store.last == 0


def test_a_body_that_does_not_arrive_is_given_up(service: Service) -> None:
    service.settings = ServiceSettings(body_seconds=0.01)
    sent: list[Any] = []

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/events", "headers": [(b"host", b"localhost")]}
    asyncio.run(_asked(service, scope, receive, send))
    assert sent[0]["status"] == 408


def test_too_many_at_once_are_sent_away(service: Service) -> None:
    service.settings = ServiceSettings(requests_at_once=1)
    client = TestClient(build_app(service), "http://localhost")
    first, second = Event(), Event()

    def slow(*_: object) -> None:
        first.set()
        assert second.wait(20)

    service.decisions.find = slow  # type: ignore[method-assign, assignment]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.get, "/v1/decisions/any")
        assert first.wait(20)
        answer = client.get("/v1/users")
        second.set()
        assert waiting.result().status_code == 404
    assert error_of(answer)["code"] == "overloaded"
    assert answer.headers["retry-after"] == "1"


def test_a_bug_is_told_without_its_inside(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(service.decisions, "put", broken)
    client = TestClient(build_app(service), "http://localhost", raise_server_exceptions=False)
    answer = client.post("/v1/recommendations", json={"user": "u", "scenario": "shop"})
    assert error_of(answer)["code"] == "internal"
    assert "secret" not in answer.text
    assert "/secret/path" in caplog.text


def test_answers_have_careful_headers(client: Client) -> None:
    for answer in (client.get("/v1/scenarios"), client.get("/nothing"), client.get("/")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers


def test_without_keys_only_this_machine_is_answered(service: Service) -> None:
    for name, status in (
        ("127.0.0.1:8000", 200),
        ("[::1]:1", 200),
        ("shop.example", 403),
        ("localhost.evil", 403),
    ):
        client = TestClient(build_app(service), "http://localhost", headers={"Host": name})
        assert client.get("/v1/users").status_code == status


def test_the_description_tells_every_error_in_the_one_shape(client: Client) -> None:
    api = client.get("/openapi.json").json()
    assert api["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]["enum"] == list(
        STATUS
    )
    for methods in api["paths"].values():
        for operation in methods.values():
            assert "default" in operation["responses"]
            assert "422" not in operation["responses"]
            assert operation["summary"]
            assert operation["description"]
