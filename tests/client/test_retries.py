"""When a request is sent again, when not, and how long it waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from polyscene.client import ApiError, Client, LostAnswerError, Retries
from polyscene.client.clients import Endpoints
from polyscene.client.requests import Call
from polyscene.client.retries import Outcome, Send, Wait, exchange

LIVE: Call[Any] = Endpoints.live.call(None)
ROLL_BACK: Call[Any] = Endpoints.roll_back_model.call(None)
PATIENT = Retries(times=2, first_seconds=0.1)


def refused(status: int, code: str = "overloaded", wait: str | None = None) -> httpx.Response:
    error = {"code": code, "message": "m", "details": []}
    headers = {} if wait is None else {"Retry-After": wait}
    return httpx.Response(status, json={"error": error}, headers=headers)


def played(
    call: Call[Any], outcomes: Sequence[Outcome], retries: Retries = PATIENT
) -> tuple[list[float], Any]:
    """Return the waits, and the answer or the error."""
    steps, waits, left = exchange(call, retries), [], list(outcomes)
    outcome: Outcome | None = None
    try:
        while True:
            step = steps.send(outcome)
            outcome = left.pop(0) if isinstance(step, Send) else None
            if isinstance(step, Wait):
                waits.append(step.seconds)
    except StopIteration as end:
        assert not left
        return waits, end.value
    except (ApiError, LostAnswerError) as error:
        assert not left
        return waits, error


FINE = httpx.Response(200, json={})


def test_what_passes_is_asked_again() -> None:
    waits, answer = played(LIVE, [httpx.ReadError("gone"), refused(503), FINE])
    assert answer is FINE
    assert len(waits) == 2
    assert 0 <= waits[0] <= 0.1
    assert 0 <= waits[1] <= 0.2


def test_at_the_end_the_last_error_is_raised() -> None:
    waits, error = played(LIVE, [refused(429, "too_many_requests"), httpx.ReadError("x"), refused(503)])
    assert isinstance(error, ApiError)
    assert (error.code, error.status, len(waits)) == ("overloaded", 503, 2)
    waits, error = played(LIVE, [httpx.ReadTimeout("slow")], Retries(times=0))
    assert isinstance(error, LostAnswerError)
    assert "ReadTimeout: slow" in str(error)


def test_the_service_says_how_long() -> None:
    waits, _ = played(
        LIVE, [refused(429, wait="7"), refused(503, wait="Fri, 31 Dec 1999 23:59:59 GMT"), FINE]
    )
    assert waits[0] == 7.0
    assert waits[1] <= 0.2
    waits, error = played(LIVE, [refused(429, wait="61")])
    assert (waits, error.status) == ([], 429)


@pytest.mark.parametrize(("status", "code"), [(400, "bad_request"), (404, "unknown_id"), (500, "internal")])
def test_what_does_not_pass_is_not_asked_again(status: int, code: str) -> None:
    waits, error = played(LIVE, [refused(status, code)])
    assert (waits, error.code) == ([], code)


def test_what_must_not_be_done_twice_is_not_asked_again() -> None:
    ambiguous: list[Outcome] = [
        httpx.ReadError("x"),
        httpx.ReadTimeout("x"),
        refused(503, "store_unavailable"),
    ]
    for outcome in ambiguous:
        assert played(ROLL_BACK, [outcome])[0] == []
    unseen: list[Outcome] = [httpx.ConnectError("x"), refused(429, "too_many_requests"), FINE]
    assert played(ROLL_BACK, unseen)[1] is FINE
    assert played(ROLL_BACK, [refused(503), FINE])[1] is FINE


def test_waits_grow_to_a_bound_and_are_spread() -> None:
    retries = Retries(first_seconds=0.5, max_seconds=3)
    assert [retries.wait(n, 0, lambda: 1.0) for n in range(5)] == [0.5, 1, 2, 3, 3]
    assert retries.wait(4, 0, lambda: 0.0) == 0
    assert retries.wait(0, 2, lambda: 1.0) == 2
    assert len({retries.wait(1, 0) for _ in range(9)}) > 1


def test_events_are_always_safe_to_repeat_and_swaps_never() -> None:
    by_way = {
        name: one.repeat.value
        for name in dir(Endpoints)
        if hasattr(one := getattr(Endpoints, name), "repeat")
    }
    assert {name for name, way in by_way.items() if way == "unless_done"} == {
        "put_items",
        "delete_item",
        "delete_user",
        "erase_user",
        "activate_model",
        "roll_back_model",
    }


def test_waits_are_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    answers = [refused(503, wait="4"), httpx.Response(200, json={"status": "live"})]
    with Client(transport=httpx.MockTransport(lambda request: answers.pop(0))) as client:
        assert client.live().status == "live"
    assert waits == [4.0]
