from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from starlette.testclient import TestClient

from polyscene.core import types
from polyscene.core.errors import RunError
from polyscene.engine.indexing import IndexChecks
from polyscene.runs.run import Run
from polyscene.runs.run_record import METRICS
from polyscene.serving.app import build_app
from polyscene.serving.live import LiveRun
from polyscene.serving.models import ACTIVE, active_run, reason_against
from polyscene.serving.service import Service

Client = TestClient
ErrorOf = Callable[[Any], dict[str, Any]]
ASKED = {"user": "u00001", "scenario": "shop", "k": 5}


@pytest.fixture
def folder(own_run: Run) -> Path:
    return own_run.folder.parents[3] / "service"


@pytest.fixture
def other(own_run: Run) -> Run:
    """Return a second run beside the first, that was judged and shows something else."""
    changed = Run(own_run.folder)
    changed.intake.remove("shop", changed.recommend("u00001", "shop", 2).ids)
    saved = changed.save()
    shutil.copy(own_run.folder / METRICS, saved.folder / METRICS)
    return saved


@pytest.fixture
def own(own_run: Run, folder: Path) -> Iterator[Service]:
    service = Service.open(own_run, folder)
    yield service
    service.close()


@pytest.fixture
def asker(own: Service) -> Client:
    return Client(build_app(own), "http://localhost", raise_server_exceptions=False)


def slate(client: Client) -> tuple[str, list[str]]:
    value = client.post("/v1/recommendations", json=ASKED).json()
    return value["run"], [place["id"] for place in value["items"]]


def worsened(metrics: dict[str, Any], by: float) -> dict[str, Any]:
    """Return the metrics of a run whose NDCG in the shop is lower, its interval with it."""
    copy: dict[str, Any] = json.loads(json.dumps(metrics))
    shop = copy["scenarios"]["shop"]
    shop["models"]["polyscene"]["ndcg@10"] -= by
    shop["intervals"]["polyscene"]["ndcg@10"] = [
        bound - by for bound in shop["intervals"]["polyscene"]["ndcg@10"]
    ]
    return copy


def test_runs_are_listed_with_what_is_known_of_them(asker: Client, own_run: Run, other: Run) -> None:
    models = asker.get("/v1/models").json()["models"]
    assert [(one["run"], one["active"], one["judged"]) for one in models] == [
        (own_run.id, True, True),
        (other.id, False, True),
    ]
    metrics = own_run.metrics
    assert metrics is not None
    shop = metrics["scenarios"]["shop"]
    assert models[0]["metrics"]["shop"] == shop["models"]["polyscene"]
    assert models[0]["intervals"]["shop"] == shop["intervals"]["polyscene"]
    assert models[0]["made"] == own_run.manifest["created"]
    broken = own_run.folder.parent / "20200101-000000-000000"
    broken.mkdir()
    (broken / "run.json").write_text("{}", encoding="utf-8")
    assert asker.get("/v1/models").json()["models"][0] == {
        "run": broken.name,
        "active": False,
        "usable": False,
    }


def test_another_run_answers_and_knows_all_that_was_acknowledged(
    asker: Client, own: Service, own_run: Run, other: Run
) -> None:
    first = slate(asker)
    assert first[0] == own_run.id
    item = Run(own_run.folder).recommend("buyer", "shop", 9).ids[-1]
    twin = Run(other.folder)
    twin.observe(types.Event("buyer", item, "shop", "purchase"))
    expected = twin.recommend("u00001", "shop", 5).ids
    event = {"user": "buyer", "item": item, "scenario": "shop", "action": "purchase"}
    assert asker.post("/v1/events", json=event).status_code == 200
    assert asker.put("/v1/users/buyer", json={"fields": {"country": "DE"}}).status_code == 200
    answer = asker.post(f"/v1/models/{other.id}/activate").json()
    assert (answer["run"], answer["before"], answer["forced"]) == (other.id, own_run.id, False)
    assert slate(asker)[0] == other.id
    assert slate(asker)[1][:3] == expected[:3]
    assert asker.get("/v1/history?user=buyer").json()["latest"]["shop"][0]["id"] == item
    assert own.live.applied == 3  # the activation is in the log
    assert own.live.unfit == 0
    assert asker.post("/v1/events", json=event | {"user": "buyer 2"}).json()["offset"] == 4
    assert asker.get("/health/ready").json()["run"] == other.id
    assert "polyscene_log_offset 4.0" in asker.get("/metrics").text

    back = asker.post("/v1/models/rollback").json()
    assert (back["run"], back["before"]) == (own_run.id, other.id)
    assert slate(asker)[0] == own_run.id
    assert own.live.applied == 5
    assert asker.get("/v1/history?user=buyer 2").json()["latest"]["shop"][0]["id"] == item


def test_a_run_that_learns_the_log_does_not_turn_back_what_is_known(
    asker: Client, own: Service, other: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/v1/users/buyer"
    for country in ("DE", "FR"):
        assert asker.put(path, json={"fields": {"country": country}}).status_code == 200
    assert asker.post(f"{path}/erasure").json()["complete"]
    assert asker.put(path, json={"fields": {"country": "IT"}}).status_code == 200
    seen, warm_up = list[Any](), Service.warm_up

    def looking(live: LiveRun) -> IndexChecks:
        seen.append(asker.get(path).json()["fields"])
        return warm_up(live)

    monkeypatch.setattr(Service, "warm_up", staticmethod(looking))
    assert asker.post(f"/v1/models/{other.id}/activate").status_code == 200
    assert seen == [{"country": "IT"}]
    assert asker.get(path).json()["fields"] == {"country": "IT"}
    assert asker.put(path, json={"fields": {"country": "ES"}}).status_code == 200
    assert asker.get(path).json()["fields"] == {"country": "ES"}
    assert own.live.system.user("buyer", "shop") >= 0


def test_the_active_run_answers_after_a_restart(
    asker: Client, own: Service, own_run: Run, other: Run, folder: Path
) -> None:
    runs = own_run.folder.parent
    assert active_run(folder, runs) is None
    asker.post(f"/v1/models/{other.id}/activate")
    assert active_run(folder, runs) == other.id
    asker.post("/v1/models/rollback")
    assert active_run(folder, runs) == own_run.id
    shutil.rmtree(other.folder)
    assert asker.post("/v1/models/rollback").status_code == 409
    (folder / ACTIVE).write_text("{", encoding="utf-8")
    with pytest.raises(RunError, match="remove it"):
        active_run(folder, runs)


@pytest.mark.parametrize(("by", "refused"), [(0.5, True), (0.0, False), (-0.5, False)])
def test_a_run_that_is_worse_is_refused_unless_forced(
    asker: Client, own_run: Run, other: Run, error_of: ErrorOf, by: float, refused: bool
) -> None:
    metrics = own_run.metrics
    assert metrics is not None
    (other.folder / METRICS).write_text(json.dumps(worsened(dict(metrics), by)), encoding="utf-8")
    answer = asker.post(f"/v1/models/{other.id}/activate")
    if not refused:
        assert answer.json()["run"] == other.id
        return
    error = error_of(answer)
    assert error["code"] == "conflict"
    assert "ndcg@10" in error["message"]
    assert slate(asker)[0] == own_run.id
    forced = asker.post(f"/v1/models/{other.id}/activate?force=true").json()
    assert (forced["run"], forced["forced"]) == (other.id, True)
    assert slate(asker)[0] == other.id


def judged(value: float, half: float, **more: Any) -> dict[str, Any]:
    facts = {"users": 9, "choices": 9, "protocol": "temporal", "seen_items": "kept"} | more
    return {
        "scenarios": {
            "shop": facts
            | {
                "models": {"polyscene": {"ndcg@10": value}},
                "intervals": {"polyscene": {"ndcg@10": [value - half, value + half]}} if half else {},
            }
        }
    }


@pytest.mark.parametrize(
    ("new", "live", "reason"),
    [
        (judged(0.30, 0.03), judged(0.34, 0.04), None),  # 0.04 below, margin 0.05
        (judged(0.28, 0.03), judged(0.34, 0.04), "0.0600 below its 0.3400, beyond ±0.0500"),
        (judged(0.90, 0.01), judged(0.10, 0.01), None),
        (None, judged(0.1, 0.1), "the run is not"),
        (judged(0.1, 0.1), None, "the live run is not"),
        (judged(0.1, 0.0), judged(0.1, 0.1), "an interval of both runs"),
        (judged(0.1, 0.1, choices=8), judged(0.1, 0.1), "found other choices"),
        ({"scenarios": {}}, judged(0.1, 0.1), "no judgement of 'shop'"),
    ],
    ids=str,
)
def test_what_speaks_against_a_run(new: Any, live: Any, reason: str | None) -> None:
    verdict = reason_against(new, live)
    assert (verdict is None) if reason is None else (verdict is not None and reason in verdict)


def test_what_cannot_be_activated_is_refused(asker: Client, own_run: Run, error_of: ErrorOf) -> None:
    assert error_of(asker.post("/v1/models/none/activate"))["code"] == "unknown_id"
    assert error_of(asker.post("/v1/models/..%2F..%2Fetc/activate"))["code"] in ("unknown_id", "not_found")
    assert error_of(asker.post("/v1/models/rollback"))["code"] == "conflict"
    assert asker.post(f"/v1/models/{own_run.id}/activate").json()["verdict"] == "it is active"
    broken = own_run.folder.parent / "20200101-000000-000000"
    broken.mkdir()
    (broken / "run.json").write_text("{}", encoding="utf-8")
    error = error_of(asker.post(f"/v1/models/{broken.name}/activate?force=true"))
    assert error["code"] == "conflict"
    assert str(own_run.folder.parent) not in error["message"]
    assert slate(asker)[0] == own_run.id


def test_a_swap_that_fails_leaves_the_live_run_as_it_was(
    asker: Client, own: Service, own_run: Run, other: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("polyscene.serving.models.LiveRun.catch_up", broken)
    assert asker.post(f"/v1/models/{other.id}/activate").status_code == 500
    monkeypatch.undo()
    assert slate(asker)[0] == own_run.id
    event = {"user": "buyer", "item": slate(asker)[1][0], "scenario": "shop"}
    assert asker.post("/v1/events", json=event).status_code == 200


def test_under_load_no_request_is_dropped_or_mixed(
    asker: Client, own: Service, own_run: Run, other: Run
) -> None:
    expected = {one.id: Run(one.folder).recommend("u00001", "shop", 5).ids for one in (own_run, other)}
    assert expected[own_run.id] != expected[other.id]
    item, over = expected[own_run.id][-1], Event()

    def ask(client: Client) -> list[tuple[str, list[str]]]:
        answers = []
        while not over.is_set():
            answers.append(slate(client))
        return answers

    def send(client: Client, sender: int) -> int:
        sent = 0
        while not over.is_set():
            event = {"user": f"s{sender}", "item": item, "scenario": "shop", "action": "impression"}
            assert client.post("/v1/events", json=event).status_code == 200
            sent += 1
        return sent

    clients = [Client(build_app(own), "http://localhost") for _ in range(4)]
    for client in clients:
        slate(client)  # an application gathers its routes at the first request
    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, client) for client in clients[:2]]
        sending = [pool.submit(send, client, n) for n, client in enumerate(clients[2:])]
        try:
            for number in range(20):
                run = (other, own_run)[number % 2]
                assert asker.post(f"/v1/models/{run.id}/activate").json()["run"] == run.id
        finally:
            over.set()
        answers = [answer for one in asking for answer in one.result()]
        sent = sum(one.result() for one in sending)
    assert {run for run, _ in answers} == set(expected)
    assert all(ids == expected[run] for run, ids in answers)
    assert own.live.store.last == own.live.applied == sent + 20
    log = own.live.system.scenario("shop").log
    assert len(log) == len(Run(own_run.folder).system.scenario("shop").log) + sent
