from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient

from polyscene.engine.decision import Request
from polyscene.engine.pipeline import decide
from polyscene.runs.run import Run
from polyscene.serving.app import build_app
from polyscene.serving.service import Service
from polyscene.serving.traces import encodings_of

Client = TestClient
ErrorOf = Callable[[Any], dict[str, Any]]
USER = "u00042"
"""Of the tables of the run."""
STRANGER = 'Zoë "7" O\'Brien'
"""Somebody who comes while it serves, with an id that JSON writes otherwise."""


@pytest.fixture
def folder(own_run: Run) -> Path:
    return own_run.folder.parents[3] / "service"


@pytest.fixture
def own(own_run: Run, folder: Path) -> Iterator[Service]:
    service = Service.open(own_run, folder)
    yield service
    service.close()


@pytest.fixture
def asker(own: Service) -> Client:
    return Client(build_app(own), "http://localhost", raise_server_exceptions=False)


def live(client: Client, user: str) -> list[str]:
    """Let a user be seen everywhere: fields, events, a decision."""
    slate = client.post("/v1/recommendations", json={"user": user, "scenario": "shop", "k": 3}).json()
    items = [place["id"] for place in slate["items"]]
    events = [{"user": user, "item": item, "scenario": "shop", "action": "click"} for item in items]
    assert client.post("/v1/events/batch", json={"events": events}).status_code == 200
    assert client.put(f"/v1/users/{user}", json={"fields": {"country": "DE"}}).status_code == 200
    return items


def occurrences(user: str, *folders: Path) -> list[str]:
    """Return every file that holds the id's bytes in any encoding, and every table of which a cell is it."""
    places = []
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        places += [str(path) for text in encodings_of(user).values() if text in content]
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path, memory_map=False)
            texts = frame.select(pl.selectors.string())
            places += [str(path) for name in texts.columns if (frame[name] == user).any()]
    return places


def scores(service: Service, user: str) -> np.ndarray:
    return decide(service.live.system, Request(user, "shop", 10)).scores


@pytest.mark.parametrize("user", [USER, STRANGER])
def test_an_erased_user_is_in_no_file_and_no_table(
    asker: Client, own: Service, own_run: Run, folder: Path, user: str
) -> None:
    items = live(asker, user)
    other = live(asker, "somebody else")
    before, vector = scores(own, "u00001"), scores(own, "somebody else")
    assert occurrences(user, folder, own_run.folder)

    answer = asker.post(f"/v1/users/{user}/erasure")
    assert answer.status_code == 200, answer.text
    receipt = answer.json()
    assert (receipt["complete"], receipt["entries"], receipt["decisions"]) == (True, 4, 1)
    assert receipt["runs"] == ([own_run.id] if user == USER else [])
    assert user not in answer.text

    own.decisions.close()
    assert occurrences(user, folder, own_run.folder) == []
    assert np.array_equal(scores(own, "u00001"), before)
    assert np.array_equal(scores(own, "somebody else"), vector)
    assert asker.get("/v1/history?user=somebody else").json()["latest"]["shop"][0]["id"] == other[-1]
    for name in own.live.system.scenarios:
        assert own.live.system.user(user, name) == -1
    assert user not in asker.get("/v1/users?limit=1000").json()["users"]
    slate = asker.get(f"/v1/history?user={user}").json()
    assert (slate["known"], slate["latest"]["shop"]) == (False, [])
    assert own.live.run.recommend(user, "shop", 3).user_known is False
    assert items  # they had something

    proof = asker.get(f"/v1/erasures/{receipt['id']}", params={"user": user}).json()
    assert (proof["searched"], proof["clean"], proof["traces"]) == (True, True, [])
    assert proof["kept"] == {"log": 0, "decisions": 0, "live": 0}
    files = [path for root in (folder, own_run.folder.parent) for path in root.rglob("*") if path.is_file()]
    assert proof["files"] == len(files)
    assert proof["tables"] >= 10


def test_a_replay_after_an_erasure_gives_the_same_slates(
    asker: Client, own: Service, own_run: Run, folder: Path
) -> None:
    live(asker, USER)
    live(asker, "u00001")
    assert asker.post(f"/v1/users/{USER}/erasure").json()["complete"]
    position = own.live.system.position
    own.close()
    again = Service.open(Run(own_run.folder), folder)
    try:
        assert (again.live.unfit, again.live.system.position) == (0, position)
        assert again.live.system.user(USER, "shop") == -1
        assert again.live.run.recommend("u00001", "shop", 5).user_known
    finally:
        again.close()


def test_a_run_that_still_knows_an_erased_user_forgets_them_at_the_start(
    asker: Client, own: Service, run: Run, folder: Path
) -> None:
    asker.post(f"/v1/users/{USER}/erasure")
    own.close()
    again = Service.open(Run(run.folder), folder)  # as if it were trained on tables that hold the user
    try:
        assert again.live.system.user(USER, "shop") == -1
    finally:
        again.close()


def test_an_erased_id_that_comes_again_is_a_new_person(
    asker: Client, own: Service, own_run: Run, folder: Path
) -> None:
    items = live(asker, USER)
    receipt = asker.post(f"/v1/users/{USER}/erasure").json()
    event = {"user": USER, "item": items[0], "scenario": "shop"}
    assert asker.post("/v1/events", json=event).status_code == 200
    latest = asker.get(f"/v1/history?user={USER}").json()["latest"]["shop"]
    assert [item["id"] for item in latest] == items[:1]
    proof = asker.get(f"/v1/erasures/{receipt['id']}", params={"user": USER}).json()
    assert (proof["clean"], proof["kept"]["log"], proof["kept"]["live"]) == (False, 1, 3)
    own.close()
    again = Service.open(Run(own_run.folder), folder)
    try:
        state = again.live.system.scenario("shop")
        assert len(state.timeline.history(again.live.system.user(USER, "shop"), None).items) == 1
    finally:
        again.close()


def test_an_id_within_another_is_told_as_what_it_is(asker: Client, own: Service) -> None:
    for user in ("w1", "w10", "xw1"):
        live(asker, user)
    receipt = asker.post("/v1/users/w1/erasure").json()
    own.decisions.close()
    proof = asker.get(f"/v1/erasures/{receipt['id']}", params={"user": "w1"}).json()
    assert proof["clean"]
    assert not any(trace["certain"] or trace["cells"] for trace in proof["traces"])
    words = [word for trace in proof["traces"] if ".db" in trace["file"] for word in trace["words"]]
    assert words
    assert all("w10" in word or "xw1" in word for word in words)


def test_traces_that_are_left_are_told(asker: Client, own: Service, folder: Path) -> None:
    receipt = asker.post(f"/v1/users/{STRANGER}/erasure").json()
    (folder / "left.txt").write_text(f"said {STRANGER} here", encoding="utf-16-le")
    (folder / "left.json").write_text(json.dumps({"who": [STRANGER]}), encoding="utf-8")
    pl.DataFrame({"who": [["a", STRANGER]]}).write_parquet(folder / "left.parquet")
    proof = asker.get(f"/v1/erasures/{receipt['id']}", params={"user": STRANGER}).json()
    traces = {Path(trace["file"]).name: trace for trace in proof["traces"]}
    assert proof["clean"] is False
    assert "utf-16-le" in traces["left.txt"]["encodings"]
    assert traces["left.txt"]["certain"]
    assert traces["left.json"]["encodings"] == ["json"]
    assert (traces["left.json"]["cells"], traces["left.json"]["certain"]) == (1, True)
    assert (traces["left.parquet"]["cells"], traces["left.parquet"]["places"]) == (1, ["who"])


def test_a_receipt_is_of_one_person(asker: Client, own: Service, error_of: ErrorOf) -> None:
    receipt = asker.post("/v1/users/nobody/erasure").json()
    assert (receipt["complete"], receipt["entries"], receipt["decisions"], receipt["runs"]) == (
        True,
        0,
        0,
        [],
    )
    path = f"/v1/erasures/{receipt['id']}"
    assert asker.get(path).json() == receipt | {"searched": False}
    assert error_of(asker.get(path, params={"user": "another"}))["code"] == "conflict"
    assert error_of(asker.get("/v1/erasures/..%2Factive"))["code"] in ("unknown_id", "not_found")
    assert error_of(asker.get("/v1/erasures/none"))["code"] == "unknown_id"


def test_a_run_that_cannot_be_rewritten_is_told(asker: Client, own: Service, own_run: Run) -> None:
    damaged = own_run.folder.parent / "20200101-000000-000000"
    damaged.mkdir()
    (damaged / "run.json").write_text("{}", encoding="utf-8")
    receipt = asker.post(f"/v1/users/{USER}/erasure").json()
    assert (receipt["complete"], receipt["failed"]) == (False, [damaged.name])
    assert receipt["runs"] == [own_run.id]


def test_runs_of_repeated_trainings_are_rewritten_as_well(
    asker: Client, own: Service, own_run: Run, run: Run
) -> None:
    repeated = own_run.folder.parents[1] / "polyscene-repeat-1" / "20200101-000000-000000"
    shutil.copytree(run.folder, repeated)
    receipt = asker.post(f"/v1/users/{USER}/erasure").json()
    assert receipt["runs"] == [own_run.id, repeated.name]
    assert occurrences(USER, own_run.folder.parents[1]) == []


def test_the_export_holds_everything_of_one_user(asker: Client, own: Service) -> None:
    items = live(asker, USER)
    live(asker, "somebody else")
    own.decisions.close()
    answer = asker.get(f"/v1/users/{USER}/export")
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    kinds = [line["kind"] for line in lines]
    assert lines[0] == {"kind": "profile", "user": USER, "fields": {"country": "DE"}}
    code = own.live.system.user(USER, "shop")
    states = own.live.system.scenarios.values()
    assert kinds.count("event") == sum(int((state.log.events().user == code).sum()) for state in states)
    assert [line["item"] for line in lines if line["kind"] == "event" and line["scenario"] == "shop"][
        -3:
    ] == items
    entries = [line for line in lines if line["kind"] == "entry"]
    assert [line.get("item", line.get("change")) for line in entries] == [*items, "user"]
    (decision,) = [line for line in lines if line["kind"] == "decision"]
    assert decision["slate"] == items
    assert "somebody else" not in answer.text
