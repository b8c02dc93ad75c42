from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polyscene.core.errors import RunError, StoreError
from polyscene.engine.decision import Request
from polyscene.engine.pipeline import decide
from polyscene.runs.run import Run
from polyscene.runs.snapshots import ARRAYS, snapshots_in
from polyscene.serving.live import LiveRun
from polyscene.serving.log_learner import ChangeHandler
from polyscene.serving.snapshots import SnapshotKeeper, SnapshotSettings, resume_newest
from polyscene.serving.stores.contract import ChangeKind, LoggedChange, LoggedEvent
from polyscene.serving.stores.sqlite_events import SqliteEventStore

Reopen = Callable[[], Run]
SCENARIOS = ("shop", "news", "video")
NEVER = SnapshotSettings(entries=10**9, seconds=1e9)
PATIENCE = 60.0
DAY = 86_400_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteEventStore]:
    store = SqliteEventStore(tmp_path / "events.db")
    yield store
    store.close()


class Server:
    """A live run that starts from the newest snapshot."""

    def __init__(
        self,
        run: Run,
        store: SqliteEventStore,
        folder: Path,
        settings: SnapshotSettings = NEVER,
        handlers: dict[ChangeKind, ChangeHandler] | None = None,
        from_the_rest: bool = False,
    ) -> None:
        self.said: list[str] = []
        self.snapshot = resume_newest(run, store, folder, self.said.append)
        self.live = LiveRun(run, store, handlers=handlers, from_the_rest=from_the_rest)
        held = 0 if self.snapshot is None else self.snapshot.offset
        self.keeper = SnapshotKeeper(self.live, folder, settings, held)

    def send(self, events: list[LoggedEvent | LoggedChange]) -> int:
        return self.live.submit(events).result().last

    def scores(self) -> list[np.ndarray]:
        requests = [Request(user, name, 10) for user in ("u00001", "new 1", "nobody") for name in SCENARIOS]
        return [decide(self.live.system, one).scores for one in requests]

    def stop(self) -> None:
        self.live.close()
        self.keeper.close()


def clicks(run: Run, n: int, seed: int = 1) -> list[LoggedEvent | LoggedChange]:
    draws = np.random.default_rng(seed)
    events: list[LoggedEvent | LoggedChange] = []
    for row in range(n):
        name = SCENARIOS[int(draws.integers(3))]
        ids = run.system.scenarios[name].catalogue.ids
        events.append(LoggedEvent(f"new {row % 5}", ids[int(draws.integers(len(ids)))], name, "click"))
    return events


def test_after_a_stop_only_the_rest_is_replayed_and_slates_are_those_of_a_full_replay(
    reopen: Reopen, store: SqliteEventStore, tmp_path: Path
) -> None:
    first = Server(reopen(), store, tmp_path / "snapshots")
    first.send(clicks(first.live.run, 60))
    first.stop()
    second = Server(reopen(), store, tmp_path / "snapshots")
    assert second.snapshot is not None
    assert (second.snapshot.offset, second.live.replayed, second.live.applied) == (60, 0, 60)
    second.send(clicks(second.live.run, 40, seed=2))
    second.keeper.take()
    second.send(clicks(second.live.run, 7, seed=3))
    third = Server(reopen(), store, tmp_path / "snapshots")
    assert (third.live.replayed, third.live.applied, third.said) == (7, 107, [])
    replayed = Server(reopen(), store, tmp_path / "no snapshots")
    assert replayed.live.replayed == 107
    expected = replayed.scores()
    for server in (second, third):
        assert all(map(np.array_equal, expected, server.scores()))
        assert server.live.system.position == replayed.live.system.position
    for server in (second, third, replayed):
        server.stop()


def test_the_run_itself_is_left_as_it_is(reopen: Reopen, store: SqliteEventStore, tmp_path: Path) -> None:
    run = reopen()
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    server = Server(run, store, tmp_path / "snapshots")
    server.send(clicks(run, 20))
    server.stop()
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before
    (snapshot,) = snapshots_in(tmp_path / "snapshots")
    size = sum(path.stat().st_size for path in snapshot.folder.rglob("*"))
    assert size < sum(path.stat().st_size for path in run.folder.rglob("*")) / 2
    assert (snapshot.run, snapshot.log, snapshot.offset) == (run.id, store.identity, 20)


@pytest.mark.parametrize("harm", ["flip", "cut", "gone", "manifest"])
def test_a_damaged_snapshot_is_passed_over_with_a_word(
    reopen: Reopen, store: SqliteEventStore, tmp_path: Path, harm: str
) -> None:
    folder = tmp_path / "snapshots"
    server = Server(reopen(), store, folder)
    for seed in (1, 2):
        server.send(clicks(server.live.run, 10, seed))
        server.keeper.take()
    server.send(clicks(server.live.run, 3, seed=3))
    expected = server.scores()
    server.live.close()
    newest, _ = snapshots_in(folder)
    path = newest.folder / "1" / ARRAYS
    content = path.read_bytes()
    if harm == "flip":
        path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    elif harm == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif harm == "gone":
        path.unlink()
    else:
        (newest.folder / "run.json").write_text("{")
    again = Server(reopen(), store, folder)
    assert again.snapshot is not None
    assert (again.snapshot.offset, again.live.replayed) == (10, 13)
    assert len(again.said) == (harm != "manifest")
    assert all("passed over: expected a whole snapshot" in text for text in again.said)
    assert all(map(np.array_equal, expected, again.scores()))
    again.stop()


def test_what_a_killed_writer_left_is_no_snapshot(
    reopen: Reopen, store: SqliteEventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(reopen(), store, tmp_path / "snapshots")
    server.send(clicks(server.live.run, 5))

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("polyscene.runs.snapshots.write_manifest", fail)
        with pytest.raises(RunError, match="no space left"):
            server.keeper.take()
    assert snapshots_in(tmp_path / "snapshots") == []
    assert [path.name for path in (tmp_path / "snapshots").iterdir()] == []
    (tmp_path / "snapshots" / ".partial-1-abc").mkdir()
    server.keeper.take()
    assert len(snapshots_in(tmp_path / "snapshots")) == 1
    server.stop()


def test_snapshots_of_another_run_or_log_or_of_a_longer_log_are_not_taken(
    reopen: Reopen, store: SqliteEventStore, tmp_path: Path
) -> None:
    folder = tmp_path / "snapshots"
    server = Server(reopen(), store, folder)
    server.send(clicks(server.live.run, 5))
    server.stop()
    other = SqliteEventStore(tmp_path / "other.db")
    assert resume_newest(reopen(), other, folder) is None
    another = reopen()
    another.id = "another"
    assert resume_newest(another, store, folder) is None
    store._file.connection.execute("DELETE FROM events")
    store.close()
    set_back, messages = SqliteEventStore(tmp_path / "events.db"), list[str]()
    assert resume_newest(reopen(), set_back, folder, messages.append) is None
    set_back.close()
    assert "it holds the log up to 5, which has what is from 0 to 0" in messages[0]
    other.close()


def test_two_are_kept(reopen: Reopen, store: SqliteEventStore, tmp_path: Path) -> None:
    server = Server(reopen(), store, tmp_path / "snapshots")
    for seed in range(4):
        server.send(clicks(server.live.run, 2, seed))
        server.keeper.take()
    assert [one.offset for one in snapshots_in(tmp_path / "snapshots")] == [8, 6]
    server.stop()
    assert [one.offset for one in snapshots_in(tmp_path / "snapshots")] == [8, 6]  # nothing came since


@pytest.mark.parametrize("settings", [replace(NEVER, entries=8), replace(NEVER, seconds=0.0)])
def test_they_are_taken_by_themselves(
    reopen: Reopen,
    store: SqliteEventStore,
    tmp_path: Path,
    settings: SnapshotSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("polyscene.serving.snapshots.SECONDS_BETWEEN_LOOKS", 0.01)
    server = Server(reopen(), store, tmp_path / "snapshots", settings)
    server.send(clicks(server.live.run, 8))
    await_that(lambda: [one.offset for one in snapshots_in(tmp_path / "snapshots")] == [8])
    assert server.keeper.trouble is None
    server.stop()


def await_that(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end


def test_a_snapshot_that_cannot_be_written_stops_nothing(
    reopen: Reopen, store: SqliteEventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polyscene.serving.snapshots.SECONDS_BETWEEN_LOOKS", 0.01)
    (tmp_path / "snapshots").write_text("a file in the way")
    server = Server(reopen(), store, tmp_path / "snapshots", replace(NEVER, entries=1, seconds=0.0))
    server.send(clicks(server.live.run, 3))
    await_that(lambda: server.keeper.trouble is not None)
    assert "expected to write to" in str(server.keeper.trouble)
    assert server.send(clicks(server.live.run, 3)) == 6
    (tmp_path / "snapshots").unlink()
    await_that(lambda: server.keeper.trouble is None)
    server.stop()


def test_old_events_are_forgotten_and_a_start_then_needs_a_snapshot(
    reopen: Reopen, store: SqliteEventStore, tmp_path: Path
) -> None:
    present = time.time_ns() // 1000
    run = reopen()
    events = [replace(one, time=present - 3 * DAY) for one in clicks(run, 6) if isinstance(one, LoggedEvent)]
    folder = tmp_path / "snapshots"
    server = Server(run, store, folder, replace(NEVER, keep=1, event_days=2.0))
    server.send([*events, replace(events[0], time=present)])
    server.keeper.take()
    assert [offset for offset, _ in store.since(0, 99)] == [7]
    expected = server.scores()
    server.send(clicks(run, 2))
    server.live.close()

    again = Server(reopen(), store, folder, NEVER)
    assert (again.live.replayed, again.live.applied) == (2, 9)
    again.stop()
    with pytest.raises(
        StoreError, match=r"holds the log up to 7, .* found none; put the folder.*--from-the-rest"
    ):
        Server(reopen(), store, tmp_path / "elsewhere")
    rest = Server(reopen(), store, tmp_path / "elsewhere", from_the_rest=True)
    assert rest.live.replayed == 3
    assert not all(map(np.array_equal, expected, rest.scores()))
    rest.stop()


def test_events_that_only_a_newer_snapshot_holds_are_not_forgotten(
    reopen: Reopen, store: SqliteEventStore, tmp_path: Path
) -> None:
    run = reopen()
    old = [replace(one, time=1_000_000) for one in clicks(run, 6) if isinstance(one, LoggedEvent)]
    server = Server(run, store, tmp_path / "snapshots", replace(NEVER, event_days=2.0))
    server.send([*old[:4]])
    server.keeper.take()
    server.send([*old[4:]])
    server.keeper.take()
    assert [offset for offset, _ in store.since(0, 99)] == [5, 6]
    assert store.forgotten == 4
    server.stop()


def test_an_erasure_leaves_no_older_snapshot(
    reopen: Reopen, store: SqliteEventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polyscene.serving.snapshots.SECONDS_BETWEEN_LOOKS", 0.01)
    folder = tmp_path / "snapshots"
    server = Server(reopen(), store, folder)
    server.send(clicks(server.live.run, 5))
    server.keeper.take()
    erased = store.erase("new 1")
    server.live.catch_up()
    assert server.live.erased == erased.offset == 6
    await_that(lambda: [one.offset for one in snapshots_in(folder)] == [6])
    server.stop()
    again = Server(reopen(), store, folder)
    assert again.live.erased == 6
    again.stop()


def test_a_snapshot_of_the_version_before_opens(
    reopen: Reopen, store: SqliteEventStore, tmp_path: Path
) -> None:
    folder = tmp_path / "snapshots"
    server = Server(reopen(), store, folder)
    server.send(clicks(server.live.run, 30))
    server.stop()
    expected = server.scores()
    (snapshot,) = snapshots_in(folder)
    path = snapshot.folder / "run.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for facts in manifest["scenarios"].values():
        assert facts.pop("puts") == 0  # it did not count what was put
    path.write_text(json.dumps(manifest), encoding="utf-8")
    again = Server(reopen(), store, folder)
    assert (again.live.replayed, again.said) == (0, [])
    assert all(map(np.array_equal, expected, again.scores()))
    state = again.live.system.scenarios["shop"]
    assert state.catalogue.n_puts == 30  # no decision on fewer puts is taken for one of this state
    state.catalogue.put("x", "x", "x", {})
    assert state.catalogue.n_puts == 31
    again.live.close()
