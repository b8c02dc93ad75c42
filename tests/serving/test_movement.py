"""How an item has moved, told from a service's log; and set back to an earlier moment, on every server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from starlette.testclient import TestClient

import polyscene as ps
from polyscene.client import movement_answers
from polyscene.core.errors import UnknownIdError
from polyscene.engine.movement import movement_of, posterior_of, watching
from polyscene.project import Project
from polyscene.recommenders.fusion.moving import MovingWeights
from polyscene.recommenders.posterior.movement import Ledger, MoveKind
from polyscene.recommenders.posterior.posterior import Posterior
from polyscene.runs.run import Run
from polyscene.serving.app import build_app
from polyscene.serving.cycle_refit import undone_in, without_undone
from polyscene.serving.service import Service
from polyscene.serving.stores.contract import ChangeKind, LoggedChange, LoggedEvent

ErrorOf = Callable[[Any], dict[str, Any]]
HOUR = 3_600_000_000
KETTLE = {"title": "Green tea kettle", "description": "one", "brand": "b", "category": "c", "price": 1.0}


@pytest.fixture(scope="module")
def trained(believing: Project) -> Run:
    return believing.run(believing.runs()[0])


@pytest.fixture
def moving(trained: Run, tmp_path: Path) -> Iterator[Service]:
    service = Service.open(Run(trained.folder), tmp_path / "moving")
    yield service
    service.close()


@pytest.fixture
def client(moving: Service) -> TestClient:
    return TestClient(build_app(moving), "http://localhost", raise_server_exceptions=False)


def item_of(run: Run) -> str:
    """Return the item of which most is known."""
    state = run.system.scenario("shop")
    return state.catalogue.ids[int(np.bincount(state.log.events().item).argmax())]


def signal(service: Service) -> Posterior:
    return posterior_of(service.live.system.scenario("shop"))


def rows(posterior: Posterior, code: int) -> dict[str, list[Any]]:
    return {name: column.tolist() for name, column in posterior.item_rows(np.array([code]))._asdict().items()}


def clicks(service: Service, item: str, users: str, count: int, start: int) -> int:
    """Let each of some users choose an item, an hour apart, others between them; return the last offset."""
    others = service.live.system.scenario("shop").catalogue.ids
    events = []
    for number in range(count):
        time = start + number * HOUR
        events.append(LoggedEvent(f"{users}{number}", item, "shop", "purchase", None, time))
        events.append(LoggedEvent("other", others[number % 5], "shop", "purchase", None, time + HOUR // 2))
    return service.management.submit(events).result().last


def latest(service: Service) -> int:
    return service.live.system.scenario("shop").latest


def iso(time: int) -> str:
    return str(np.datetime64(time, "us"))


def test_the_history_of_a_service_is_exact_and_names_nobody(client: TestClient, moving: Service) -> None:
    item, start = item_of(moving.live.run), latest(moving) + HOUR
    clicks(moving, item, "bot ", 6, start)
    edited = client.put(f"/v1/items/shop/{item}", json={"fields": KETTLE}).json()["offset"]
    last = clicks(moving, item, "bot ", 2, start + 100 * HOUR)
    answer = client.get(f"/v1/items/shop/{item}/movement", params={"limit": 200})
    assert answer.status_code == 200, answer.text
    assert "bot " not in answer.text
    movement = answer.json()
    assert (
        msgspec.convert(movement, movement_answers.Movement, strict=False).moves[0].kind in movement["kinds"]
    )
    code = moving.live.system.scenario("shop").catalogue.code(item)
    live = signal(moving)
    expected = float(np.linalg.norm(live.items_now().means[code] - live.priors[code]))
    assert movement["distance"] == pytest.approx(expected, abs=1e-6)
    assert movement["bias"] == rows(live, code)["bias"][0]
    assert (movement["gap"], movement["notes"], movement["title"]) == (0.0, [], "Green tea kettle")
    own = [move for move in movement["moves"] if move["kind"] == "own" and move["offset"] is not None]
    assert [move["offset"] for move in own] == [1, 3, 5, 7, 9, 11, 14, 16]
    persons = [move["person"] for move in own]
    assert persons[6:] == persons[:2]
    assert len(set(persons[:6])) == 6
    (described,) = [move for move in movement["moves"] if move["kind"] == "described"]
    assert (described["offset"], last) == (edited, 17)
    assert described["nearest_before"] != described["nearest_after"]
    assert movement["kinds"]["own"]["moves"] > len(own)  # those of the training are there too
    later = client.get(f"/v1/items/shop/{item}/movement", params={"since": iso(start + 100 * HOUR)}).json()
    assert later["kinds"]["own"]["moves"] == 2
    assert later["distance"] == movement["distance"]


def test_an_item_set_back_is_as_if_it_had_learned_nothing_since_on_every_server(
    client: TestClient, moving: Service, trained: Run, tmp_path: Path
) -> None:
    item, start = item_of(trained), latest(moving) + HOUR
    code = trained.system.scenario("shop").catalogue.code(item)
    clicks(moving, item, "honest ", 3, start)
    then, until = rows(signal(moving), code), start + 3 * HOUR
    clicks(moving, item, "bot ", 5, start + 4 * HOUR)
    attacked = rows(signal(moving), code)
    others = {n: rows(signal(moving), n) for n in range(5) if n != code}
    assert attacked["bias"] != then["bias"]
    receipt = client.post(f"/v1/items/shop/{item}/rollback", json={"to": iso(until)})
    assert receipt.status_code == 200, receipt.text
    facts = receipt.json()
    assert msgspec.convert(facts, movement_answers.Rollback).offset == 17
    assert (facts["undone"], facts["exact"], facts["offset"]) == (5, True, 17)
    assert facts["before"]["bias"] == attacked["bias"][0]
    assert facts["after"]["bias"] == then["bias"][0]
    assert rows(signal(moving), code) == then
    assert {n: rows(signal(moving), n) for n in others} == others
    clicks(moving, item, "later ", 2, start + 20 * HOUR)
    assert rows(signal(moving), code) != then  # it moves on from there
    expected = signal(moving).state()
    moving.snapshots.take()
    moving.close()
    for folder, replayed in ((tmp_path / "moving", 0), (tmp_path / "replica", 21)):
        if replayed:  # a server that has no snapshot, only the log
            shutil.copytree(tmp_path / "moving", folder)
            shutil.rmtree(folder / "snapshots")
        again = Service.open(Run(trained.folder), folder)
        assert again.live.replayed == replayed
        for name, array in signal(again).state().items():
            np.testing.assert_array_equal(array, expected[name], err_msg=name)
        again.close()


def test_the_beliefs_put_back_are_those_of_a_learner_that_stopped_there(
    client: TestClient, moving: Service, trained: Run
) -> None:
    item, start = item_of(trained), latest(moving) + HOUR
    last = clicks(moving, item, "honest ", 3, start)
    stopped = Run(trained.folder)
    for _, entry in moving.live.store.since(0, 100):
        assert isinstance(entry, LoggedEvent)
        stopped.observe(entry.as_event())
    clicks(moving, item, "bot ", 4, start + 4 * HOUR)
    code = trained.system.scenario("shop").catalogue.code(item)
    answer = client.post(f"/v1/items/shop/{item}/rollback", json={"offset": last})
    assert answer.json()["undone"] == 4
    assert rows(signal(moving), code) == rows(posterior_of(stopped.system.scenario("shop")), code)


def test_a_moment_before_the_training_ended_is_learned_once_more(
    client: TestClient, moving: Service, trained: Run
) -> None:
    item, state = item_of(trained), trained.system.scenario("shop")
    events, code = state.log.events(), state.catalogue.code(item)
    middle = int(events.time[len(events) // 2])
    clicks(moving, item, "bot ", 2, latest(moving) + HOUR)
    facts = client.post(f"/v1/items/shop/{item}/rollback", json={"to": iso(middle)}).json()
    later = int(((events.item == code) & (events.time > middle)).sum())
    assert (facts["undone"], facts["exact"]) == (later + 2, True)
    assert later > 0
    fitted = posterior_of(state)
    assert int(rows(signal(moving), code)["moments"][0]) <= middle < int(rows(fitted, code)["moments"][0])


def test_what_cannot_be_set_back_is_refused(
    client: TestClient, moving: Service, trained: Run, error_of: ErrorOf
) -> None:
    item, path = item_of(trained), "/v1/items/shop/{}/rollback"
    for body in ({}, {"to": "2024-01-01", "offset": 1}, {"to": 5}):
        assert error_of(client.post(path.format(item), json=body))["code"] == "invalid"
    error = error_of(client.post(path.format("unheard-of"), json={"offset": 0}))
    assert error["code"] == "unknown_id"
    start = latest(moving) + HOUR
    client.put("/v1/items/shop/new", json={"fields": KETTLE})
    clicks(moving, "new", "somebody ", 1, start)
    error = error_of(client.post(path.format("new"), json={"offset": 0}))
    assert error["code"] == "unknown_id"
    assert moving.live.applied == 3
    assert client.post(path.format("new"), json={"offset": 1}).json()["undone"] == 1
    assert signal(moving).moved()[-1] == 0.0


def test_a_run_of_another_basis_goes_back_to_the_text(moving: Service, trained: Run) -> None:
    item = item_of(trained)
    code = trained.system.scenario("shop").catalogue.code(item)
    beliefs = rows(signal(moving), code)
    plain = {name: column[0] for name, column in beliefs.items()} | {"basis": "another", "prior": [0.0] * 8}
    fields = {"since": 0, "until": 1, "undone": 0, "beliefs": json.loads(json.dumps(plain))}
    moving.management.submit([LoggedChange(ChangeKind.movement, "shop", item, fields)]).result()
    assert moving.live.unfit == 0
    assert signal(moving).moved()[code] == 0.0


def test_the_library_watches_on_demand_and_then_learns_unwatched(trained: Run) -> None:
    run, plain = Run(trained.folder), Run(trained.folder)
    item, state = item_of(run), run.system.scenario("shop")
    events = [ps.Event(f"n{n}", item, "shop", "purchase") for n in range(3)]
    weights = state.fusion.weights.arrays["base"]
    state.fusion.moving = MovingWeights(len(weights), 50)
    moving = state.fusion.moving
    with watching(run.system, item, "shop") as ledger:
        assert state.fusion.moving is moving
        run.observe(*events[:2])
    assert state.fusion.moving is moving
    state.fusion.moving = None
    run.observe(events[2])
    plain.observe(*events)
    assert ledger.kinds[MoveKind.own].moves == 2
    assert type(posterior_of(state)) is Posterior
    movement = movement_of(run.system, item, "shop", Ledger(longest=500))
    assert movement.kinds["own"]["moves"] >= 3
    assert movement.gap == 0.0
    assert movement.n_people > 3
    with pytest.raises(UnknownIdError, match="unheard-of"):
        movement_of(run.system, "unheard-of", "shop")


def test_undone_events_are_not_learned_by_the_next_training(trained: Run) -> None:
    from polyscene.online.progressive import dataset_of

    known = dataset_of(trained.system, trained.settings)
    events, item = known.scenarios["shop"].events, item_of(trained)
    code = known.scenarios["shop"].catalogue.ids.get(item)
    times = np.sort(events.time[events.item == code])
    since, until = int(times[1]), int(times[-2])
    fields = {"since": since, "until": until}
    entries = [(1, LoggedChange(ChangeKind.movement, "shop", item, fields))]
    kept = without_undone(known, undone_in(entries)).scenarios["shop"].events
    own = kept.time[kept.item == code]
    assert set(own.tolist()) == {int(time) for time in times if time <= since or time > until}
    assert np.count_nonzero(kept.item != code) == np.count_nonzero(events.item != code)
    assert len(kept) < len(events)
