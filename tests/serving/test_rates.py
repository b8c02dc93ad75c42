from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import limits.storage.memory
import pytest
from starlette.testclient import TestClient

from polyscene.core.settings.service import ServiceSettings
from polyscene.serving import rates
from polyscene.serving.app import build_app
from polyscene.serving.auth import KeyFile, Scope
from polyscene.serving.gate import _network
from polyscene.serving.rates import Rates
from polyscene.serving.service import Service


class Clock(SimpleNamespace):
    """Stands until it is moved."""

    def time(self) -> float:
        return float(self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(now=1_000.0)
    monkeypatch.setattr(limits.storage.memory, "time", clock)
    monkeypatch.setattr(rates, "time", clock)
    return clock


def test_a_window_moves(clock: Clock) -> None:
    allowed = Rates()
    assert [allowed.wait("3/minute", "a") for _ in range(3)] == [0, 0, 0]
    clock.now += 20
    assert allowed.wait("3/minute", "a") == 40
    assert allowed.wait("3/minute", "b") == 0
    clock.now += 39.5
    assert allowed.wait("3/minute", "a") == 1
    clock.now += 1
    assert allowed.wait("3/minute", "a") == 0
    assert allowed.wait(None, "a") == 0


def test_what_is_refused_does_not_count(clock: Clock) -> None:
    allowed = Rates()
    assert allowed.wait("1/second", "a") == 0
    assert all(allowed.wait("1/second", "a") for _ in range(5))
    clock.now += 1.01
    assert allowed.wait("1/second", "a") == 0


def test_a_clock_that_is_set_back_locks_nobody_out(clock: Clock) -> None:
    allowed = Rates()
    assert allowed.wait("1/minute", "a") == 0
    clock.now -= 3_600
    assert allowed.wait("1/minute", "a") == 0


def test_names_that_are_gone_are_forgotten(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_IDLE", 10)
    allowed = Rates()
    for number in range(50):
        allowed.wait("1/second", f"address {number}")
    clock.now += 5
    allowed._storage._MemoryStorage__expire_events()  # type: ignore[attr-defined] # its own thread does, in time
    allowed.wait("1/second", "last")
    assert len(allowed._storage.events) == 1


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("testclient", "testclient"),
    ],
)
def test_an_address_is_that_of_a_subscriber(host: str, network: str) -> None:
    assert _network({"client": (host, 1)}) == network
    assert _network({}) == "unknown"


SETTINGS = ServiceSettings(
    rate_per_key="3/minute", rate_per_tenant="5/minute", failures_per_address="2/minute"
)


@pytest.fixture
def limited(reopen: Any, tmp_path: Path) -> Iterator[Service]:
    keys = KeyFile(tmp_path / "keys.json")
    service = Service.open(reopen(), tmp_path, keys, settings=SETTINGS)
    yield service
    service.close()


def statuses(client: TestClient, key: str, n: int) -> list[int]:
    headers = {"Authorization": f"Bearer {key}"}
    return [client.get("/v1/users", headers=headers).status_code for _ in range(n)]


def test_keys_and_tenants_have_their_rates(limited: Service, clock: Clock) -> None:
    assert limited.keys is not None
    first, second, third = (limited.keys.add(name, [Scope.read]) for name in ("one", "two", "three"))
    client = TestClient(build_app(limited), "http://anywhere.example")
    assert statuses(client, first, 4) == [200, 200, 200, 429]
    assert statuses(client, second, 3) == [200, 200, 429]  # the tenant's rate
    assert statuses(client, third, 1) == [429]
    clock.now += 59
    answer = client.get("/v1/users", headers={"Authorization": f"Bearer {first}"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert answer.json()["error"]["code"] == "too_many_requests"
    assert "3/minute" in answer.json()["error"]["message"]
    clock.now += 2
    assert statuses(client, third, 1) == [200]


def test_failures_are_limited_and_good_keys_are_not(limited: Service, clock: Clock) -> None:
    assert limited.keys is not None
    key = limited.keys.add("one", [Scope.read])
    client = TestClient(build_app(limited), "http://anywhere.example")
    assert statuses(client, "psk_wrong", 4) == [401, 401, 429, 429]
    assert statuses(client, key, 1) == [200]
    assert client.get("/health/live").status_code == 200
    clock.now += 61
    assert statuses(client, "psk_wrong", 1) == [401]
