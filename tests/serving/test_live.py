from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polyscene.core.errors import ConflictError, StoreError
from polyscene.engine.decision import Request
from polyscene.engine.pipeline import decide
from polyscene.engine.state import System
from polyscene.runs.run import Run
from polyscene.serving.checking import EventsRefusedError
from polyscene.serving.live import LiveRun
from polyscene.serving.stores.contract import Batch, ChangeKind, LoggedChange, LoggedEvent, Receipt
from polyscene.serving.stores.sqlite_events import SqliteEventStore

Reopen = Callable[[], Run]
SCENARIOS = ("shop", "news", "video")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteEventStore]:
    store = SqliteEventStore(tmp_path / "events.db")
    yield store
    store.close()


@pytest.fixture
def live(reopen: Reopen, store: SqliteEventStore) -> Iterator[LiveRun]:
    live = LiveRun(reopen(), store)
    yield live
    live.close()


def clicks(run: Run, n: int, seed: int = 1) -> list[LoggedEvent]:
    """Return clicks of some known and some new people on items of all scenarios."""
    draws = np.random.default_rng(seed)
    events = []
    for row in range(n):
        name = SCENARIOS[int(draws.integers(3))]
        ids = run.system.scenarios[name].catalogue.ids
        user = f"new {row % 5}" if row % 3 else run.system.users[int(draws.integers(20))]
        events.append(LoggedEvent(user, ids[int(draws.integers(len(ids)))], name, "click"))
    return events


def scores(system: System, users: Sequence[str]) -> list[np.ndarray]:
    """Return what is decided on requests of users in all scenarios."""
    requests = [Request(user, name, 10) for user in users for name in SCENARIOS]
    return [decide(system, one).scores for one in requests]


def item_of(live: LiveRun, scenario: str = "shop") -> str:
    return live.run.recommend("u00001", scenario, 1).ids[0]


def test_an_acknowledged_event_is_in_the_log_and_in_the_next_slate(live: LiveRun) -> None:
    item = item_of(live)
    receipt = live.submit([LoggedEvent("u00001", item, "shop", "purchase")]).result()
    assert (receipt.accepted, receipt.last) == (1, 1)
    assert item not in live.run.recommend("u00001", "shop", 10).ids
    ((offset, kept),) = live.store.since(0, 10)
    assert isinstance(kept, LoggedEvent)
    assert (offset, kept.user, kept.item) == (1, "u00001", item)
    assert kept.time is not None


def test_whoever_waits_for_the_receipt_sees_the_event(live: LiveRun) -> None:
    def buy_all(user: str) -> list[bool]:
        seen = []
        for _ in range(6):
            item = live.run.recommend(user, "shop", 1, reasons=False).ids[0]
            live.submit([LoggedEvent(user, item, "shop", "purchase")]).result()
            seen.append(item not in live.run.recommend(user, "shop", 50, reasons=False).ids)
        return seen

    with ThreadPoolExecutor(6) as pool:
        assert all(all(seen) for seen in pool.map(buy_all, [f"buyer {number}" for number in range(6)]))
    assert live.store.last == live.applied == 36


def test_a_restart_gives_the_same_system_to_the_last_digit(
    live: LiveRun, reopen: Reopen, store: SqliteEventStore
) -> None:
    receipts = [live.submit([event]) for event in clicks(live.run, 150)]
    assert [receipt.result().last for receipt in receipts] == list(range(1, 151))
    live.close()
    again = LiveRun(reopen(), store)
    assert (again.replayed, again.unfit, again.applied) == (150, 0, 150)
    users = ["u00001", "new 1", "new 4", "nobody"]
    for first, second in zip(scores(live.system, users), scores(again.system, users), strict=True):
        assert np.array_equal(first, second)
    again.close()


def test_a_run_that_holds_part_of_the_log_gets_the_rest(reopen: Reopen, store: SqliteEventStore) -> None:
    run = reopen()
    store.append([Batch.of([replace(one, time=1)]) for one in clicks(run, 5)])
    run.manifest["log"] = {"identity": store.identity, "offset": 3}
    live = LiveRun(run, store)
    assert (live.replayed, live.applied) == (2, 5)
    live.close()


def test_what_the_run_cannot_take_is_counted_and_the_rest_is_learned(
    reopen: Reopen, store: SqliteEventStore
) -> None:
    run = reopen()
    good = [LoggedEvent(one.user, one.item, one.scenario, "click", None, 1) for one in clicks(run, 3)]
    gone = LoggedEvent("u00001", "item of an earlier catalogue", "shop", "click", None, 1)
    store.append([Batch.of([good[0], gone, *good[1:]])])
    before = run.system.position
    live = LiveRun(run, store)
    assert (live.unfit, live.applied, live.system.position - before) == (1, 4, 3)
    assert live.ready
    live.close()


def test_an_event_sent_twice_counts_once(live: LiveRun) -> None:
    item, before = item_of(live), live.system.position
    event = LoggedEvent("u00001", item, "shop", "click", id="e1")
    receipts = [live.submit([event]).result() for _ in range(2)]
    assert [receipt.accepted for receipt in receipts] == [1, 0]
    assert live.system.position == before + 1


def test_a_key_used_for_something_else_is_a_conflict(live: LiveRun) -> None:
    event = LoggedEvent("u00001", item_of(live), "shop", "click")
    assert live.submit([event], "k").result().accepted == 1
    assert live.submit([event], "k").result().repeated
    with pytest.raises(ConflictError, match="use another"):
        live.submit([event, event], "k").result()
    assert live.store.last == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"item": "nothing"}, "an item of scenario 'shop'"),
        ({"scenario": "cinema"}, "a scenario out of shop"),
        ({"action": "clcik"}, "an action out of click, purchase, rating, impression, skip"),
        ({"time": 4_000_000_000_000_000}, "a time between 1970 and now"),
        ({"time": -1}, "a time between 1970 and now"),
        ({"value": float("nan")}, "a finite number"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_batch_with_one_wrong_event_is_refused_whole(
    live: LiveRun, change: dict[str, object], expected: str
) -> None:
    columns: dict[str, object] = {
        "user": "u00001",
        "item": item_of(live),
        "scenario": "shop",
        "action": "click",
    }
    good, bad = LoggedEvent(**columns), LoggedEvent(**columns | change)  # type: ignore[arg-type]
    with pytest.raises(EventsRefusedError) as refused:
        live.submit([good, bad])
    assert list(refused.value.problems) == [1]
    assert expected in refused.value.problems[1]
    assert live.store.last == 0


def test_skips_and_impressions_are_kept_and_weigh_nothing(live: LiveRun) -> None:
    before = live.run.recommend("u00001", "shop", 10).ids
    events = [LoggedEvent("u00001", before[0], "shop", action) for action in ("skip", "impression")]
    assert live.submit(events).result().accepted == 2
    assert live.run.recommend("u00001", "shop", 10).ids == before


class FailingStore(SqliteEventStore):
    """Fails when told to, before or after the commit."""

    fails: str = ""

    def append(self, batches: Sequence[Batch]) -> list[Receipt]:
        if self.fails == "before":
            raise StoreError("expected room on the disk, found none")
        receipts = super().append(batches)
        if self.fails == "after":
            raise StoreError("expected an answer of the disk, found none")
        return receipts


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_store_that_fails_is_told_and_nothing_is_lost_or_doubled(
    reopen: Reopen, tmp_path: Path, moment: str
) -> None:
    store = FailingStore(tmp_path / "failing.db")
    live = LiveRun(reopen(), store)
    before, events = live.system.position, clicks(live.run, 3)
    store.fails = moment
    with pytest.raises(StoreError):
        live.submit(events, "k").result()
    assert live.system.position == before
    store.fails = ""
    receipt = live.submit(events, "k").result()
    assert (receipt.accepted, receipt.repeated) == (3, moment == "after")
    assert live.system.position == before + 3
    assert store.last == live.applied == 3
    live.close()
    store.close()


def test_a_caller_who_goes_away_takes_nothing_back(live: LiveRun) -> None:
    receipts: list[Future[Receipt]] = [live.submit([event]) for event in clicks(live.run, 20)]
    cancelled = [receipt.cancel() for receipt in receipts]
    assert not any(cancelled)
    assert receipts[-1].result().last == 20
    assert live.ready


def test_a_signal_that_breaks_stops_the_intake_and_says_so(
    live: LiveRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(live._intake, "observe", broken)
    with pytest.raises(StoreError, match="restart to replay"):
        live.submit(clicks(live.run, 1)).result()
    assert not live.ready
    with pytest.raises(StoreError, match="ZeroDivisionError"):
        live.submit(clicks(live.run, 1))
    assert live.store.last == 1  # durable, and there after the restart


def test_after_closing_nothing_is_taken(live: LiveRun) -> None:
    receipts = [live.submit([event]) for event in clicks(live.run, 10)]
    live.close()
    assert all(receipt.done() for receipt in receipts)
    with pytest.raises(StoreError, match="stopping"):
        live.submit(clicks(live.run, 1))


def test_changes_are_learned_between_the_events_around_them(reopen: Reopen, store: SqliteEventStore) -> None:
    run = reopen()
    before, seen = run.system.position, list[tuple[int, LoggedChange]]()
    handlers = {ChangeKind.user: lambda change: seen.append((run.system.position - before, change))}
    live = LiveRun(run, store, handlers=handlers)
    profile = LoggedChange(ChangeKind.user, "", "u1", {"country": "DE"})
    first, *others = clicks(run, 3)
    receipt = live.submit([first, profile, *others]).result()
    assert (receipt.accepted, receipt.last, live.unfit) == (4, 4, 0)
    assert seen == [(1, profile)]
    assert run.system.position == before + 3
    assert live.submit([LoggedChange(ChangeKind.rules, "shop", "", None)]).result().accepted == 1
    assert (live.unfit, live.applied) == (1, 5)
    live.close()


def test_what_another_log_held_is_not_taken_for_this_one(reopen: Reopen, store: SqliteEventStore) -> None:
    run = reopen()
    store.append([Batch.of([replace(one, time=1) for one in clicks(run, 4)])])
    run.manifest["log"] = {"identity": "another", "offset": 3}
    live = LiveRun(run, store)
    assert (live.replayed, live.applied) == (4, 4)
    live.close()
