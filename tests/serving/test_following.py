"""A run that is activated on one server answers on every server, and after every restart."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from starlette.testclient import TestClient

from polyscene.runs.run import Run
from polyscene.serving import following
from polyscene.serving.app import build_app
from polyscene.serving.management import KNOWN
from polyscene.serving.models import ACTIVE
from polyscene.serving.service import Service

Open = Callable[..., Service]
PATIENCE = 60.0
ASKED = {"user": "u00001", "scenario": "shop", "k": 5}


def client_of(service: Service) -> TestClient:
    return TestClient(build_app(service), "http://localhost", raise_server_exceptions=False)


def ready(service: Service) -> dict[str, Any]:
    value: dict[str, Any] = client_of(service).get("/health/ready").json()
    return value


def activate(service: Service, run: str) -> None:
    answer = client_of(service).post(f"/v1/models/{run}/activate?force=true")
    assert answer.status_code == 200, answer.text


def await_true(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"expected {what} in time"


def answers(service: Service, run: str) -> Callable[[], bool]:
    return lambda: service.live.run.id == run and service.management.models.follower.behind is None


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "SECONDS_BEFORE_RETRY", 0.05)


@pytest.fixture
def runs(own_run: Run) -> tuple[str, str]:
    """Return the ids of two runs beside one another that show different items."""
    changed = Run(own_run.folder)
    changed.intake.remove("shop", changed.recommend("u00001", "shop", 2).ids)
    return own_run.id, changed.save().id


@pytest.fixture
def opened(own_run: Run, runs: tuple[str, str], tmp_path: Path) -> Iterator[Open]:
    """Return what opens a server with folders of its own by its name, and copies of both runs."""
    services = list[Service]()

    def opening(server: str, database: str | None = None, run: str = runs[0], **more: Any) -> Service:
        home = tmp_path / server / "runs" / "polyscene"
        if not home.is_dir():
            shutil.copytree(own_run.folder.parent, home)
        service = Service.open(
            Run(home / run), tmp_path / server / "data", name="a", database=database, **more
        )
        services.append(service)
        return service

    yield opening
    for service in services:
        service.close()


def test_every_server_follows_and_no_slate_is_mixed(
    opened: Open, runs: tuple[str, str], own_run: Run, database: str
) -> None:
    first, second = runs
    here, there = opened("here", database), opened("there", database)
    expected = {name: Run(own_run.folder.parent / name).recommend("u00001", "shop", 5).ids for name in runs}
    over = Event()

    def slates() -> set[tuple[str, tuple[str, ...]]]:
        client, seen = client_of(there), set[tuple[str, tuple[str, ...]]]()
        while not over.is_set():
            value = client.post("/v1/recommendations", json=ASKED).json()
            seen.add((value["run"], tuple(place["id"] for place in value["items"])))
        return seen

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(slates)
        try:
            activate(here, second)
            await_true(answers(there, second), "the other server to follow")
            back = client_of(there).post("/v1/models/rollback").json()
            assert (back["run"], back["before"]) == (first, second)
            await_true(answers(here, first), "the first server to follow back")
            activate(here, second)
            await_true(answers(there, second), "the other server to follow again")
        finally:
            over.set()
        seen = asking.result()
    assert seen == {(name, tuple(ids)) for name, ids in expected.items()}
    for server in (here, there):
        assert (ready(server)["run"], ready(server)["behind"]) == (second, None)
        assert "polyscene_model_behind" in client_of(server).get("/metrics").text
    assert here.live.applied == there.live.applied == 3


def test_servers_that_activate_different_runs_at_once_agree_in_the_end(
    opened: Open, runs: tuple[str, str], database: str
) -> None:
    servers = [opened("here", database), opened("there", database, runs[1])]
    clients = [client_of(one) for one in servers]
    for client in clients:
        client.get("/health/ready")  # an application makes its routes when it is first asked

    def activated(client: TestClient, run: str) -> int:
        return client.post(f"/v1/models/{run}/activate?force=true").status_code

    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            assert list(pool.map(activated, clients, runs[::-1])) == [200, 200]
            await_true(
                lambda: all(one.live.applied == one.live.store.last for one in servers), "both to learn"
            )
            await_true(lambda: servers[0].live.run.id == servers[1].live.run.id, "one run on both")
            runs = runs[::-1]
    (run_id,) = {one.management.models._activated() for one in servers}
    assert [one.live.run.id for one in servers] == [run_id, run_id]


def test_a_server_without_the_run_says_so_and_goes_on(
    opened: Open, runs: tuple[str, str], tmp_path: Path, database: str
) -> None:
    first, second = runs
    here, there = opened("here", database), opened("there", database)
    home = tmp_path / "there" / "runs" / "polyscene" / second
    kept = shutil.move(home, tmp_path / "kept")
    activate(here, second)
    await_true(lambda: ready(there)["behind"] is not None, "the server to say that it is behind")
    assert (ready(there)["status"], ready(there)["run"]) == ("ready", first)
    assert second in ready(there)["behind"]
    assert 'polyscene_model_behind{tenant="a"} 1.0' in client_of(there).get("/metrics").text
    assert client_of(there).post("/v1/recommendations", json=ASKED).json()["run"] == first
    event = {"user": "buyer", "item": "P0001", "scenario": "shop"}
    assert client_of(there).post("/v1/events", json=event).status_code == 200
    shutil.move(kept, home)
    await_true(answers(there, second), "the server to follow when the run is there")
    assert 'polyscene_model_behind{tenant="a"} 0.0' in client_of(there).get("/metrics").text
    assert client_of(there).get("/v1/history?user=buyer").json()["known"]


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_what_was_activated_last_answers_after_a_restart(
    opened: Open, runs: tuple[str, str], tmp_path: Path, request: pytest.FixtureRequest, store: str
) -> None:
    url = request.getfixturevalue("database") if store == "postgres" else None
    first, second = runs
    service = opened("here", url)
    activate(service, second)
    service.close()
    for name in (ACTIVE, KNOWN):  # the log alone says it
        (tmp_path / "here" / "data" / name).unlink()
    service = opened("here", url)
    assert (ready(service)["run"], ready(service)["behind"]) == (second, None)
    assert client_of(service).post("/v1/models/rollback").json()["run"] == first
    service.close()
    assert ready(opened("here", url))["run"] == first


def test_a_run_that_was_named_answers_until_one_is_activated(opened: Open, runs: tuple[str, str]) -> None:
    first, second = runs
    service = opened("here")
    activate(service, second)
    service.close()
    service = opened("here", pinned=True)
    assert ready(service)["run"] == first
    assert second in ready(service)["behind"]
    activate(service, first)
    await_true(answers(service, first), "the server not to be behind any more")
    activate(service, second)
    assert ready(service)["run"] == second
