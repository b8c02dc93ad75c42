"""Several live runs over one PostgreSQL log, as several servers are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import psycopg
import pytest

from polyscene.core.errors import StoreError
from polyscene.engine.decision import Request
from polyscene.engine.pipeline import decide
from polyscene.runs.run import Run
from polyscene.serving.live import MAX_MICROSECONDS_BACK, LiveRun
from polyscene.serving.stores.contract import Batch, ChangeKind, LoggedChange, LoggedEvent
from polyscene.serving.stores.postgres_events import PostgresEventStore

Reopen = Callable[[], Run]
SCENARIOS = ("shop", "news", "video")
USERS = ("u00001", "new 0", "new 3", "nobody")
PATIENCE = 60.0


@pytest.fixture
def servers(reopen: Reopen, database: str) -> Iterator[list[LiveRun]]:
    """Return two live runs over one log."""
    stores = [PostgresEventStore(database, "a") for _ in range(2)]
    lives = [LiveRun(reopen(), store) for store in stores]
    yield lives
    for live, store in zip(lives, stores, strict=True):
        live.close()
        store.close()


def events(run: Run, n: int, draws: np.random.Generator) -> list[LoggedEvent]:
    rows = []
    for _ in range(n):
        name = SCENARIOS[int(draws.integers(3))]
        ids = run.system.scenarios[name].catalogue.ids
        item = ids[int(draws.integers(len(ids)))]
        known = f"e{draws.integers(40)}" if draws.random() < 0.5 else None
        rows.append(LoggedEvent(f"new {draws.integers(5)}", item, name, "click", id=known))
    return rows


def scores(live: LiveRun) -> list[np.ndarray]:
    """Return what is decided on requests of users in all scenarios."""
    requests = [Request(user, name, 10) for user in USERS for name in SCENARIOS]
    return [decide(live.system, one).scores for one in requests]


def assert_equal_states(lives: Sequence[LiveRun]) -> None:
    first, *others = lives
    expected = scores(first)
    for other in others:
        assert other.applied == first.applied
        assert other.system.position == first.system.position
        assert all(map(np.array_equal, expected, scores(other)))


def await_offset(live: LiveRun, offset: int) -> None:
    """Wait until a server has learned the log up to an offset."""
    end = time.monotonic() + PATIENCE
    while live.applied < offset:
        assert time.monotonic() < end, f"expected offset {offset}, found {live.applied}"
        live.store.wait(offset + 1_000_000, 0.01)


@pytest.mark.parametrize("seed", range(4))
def test_at_the_same_offset_all_servers_say_the_same_to_the_last_digit(
    servers: list[LiveRun], reopen: Reopen, database: str, seed: int
) -> None:
    draws = np.random.default_rng(seed)
    receipts = []
    for row in range(25):
        sender = servers[int(draws.integers(2))]
        batch = events(sender.run, int(draws.integers(1, 5)), draws)
        receipts.append(sender.submit(batch, f"k{row // 2}" if draws.random() < 0.3 else None))
        if draws.random() < 0.3:
            receipts[-1].exception()  # conflicts are among them
    last = max(one.result().last for one in receipts if one.exception() is None)
    for live in servers:
        await_offset(live, last)
    store = PostgresEventStore(database, "a")
    replayed = LiveRun(reopen(), store)
    assert_equal_states([replayed, *servers])
    assert replayed.applied == store.last == last > 0
    replayed.close()
    store.close()


def test_an_event_is_seen_by_its_server_at_once_and_by_the_others_soon(servers: list[LiveRun]) -> None:
    here, there = servers
    for _ in range(5):
        item = here.run.recommend("buyer", "shop", 1, reasons=False).ids[0]
        receipt = here.submit([LoggedEvent("buyer", item, "shop", "purchase")]).result()
        assert item not in here.run.recommend("buyer", "shop", 50, reasons=False).ids
        await_offset(there, receipt.last)
        assert item not in there.run.recommend("buyer", "shop", 50, reasons=False).ids
        here, there = there, here


def test_what_was_sent_to_another_server_is_seen_where_it_is_repeated(
    servers: list[LiveRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = servers
    item = here.run.recommend("buyer", "shop", 1, reasons=False).ids[0]
    event = LoggedEvent("buyer", item, "shop", "purchase", time=1)
    here.submit([event], "key").result()
    receipt = there.submit([event], "key").result()
    assert receipt.repeated
    assert there.applied >= receipt.last == 1
    assert item not in there.run.recommend("buyer", "shop", 50, reasons=False).ids


def test_a_change_takes_its_place_in_the_order_of_every_server(reopen: Reopen, database: str) -> None:
    seen: tuple[list[int], list[int]] = ([], [])
    stores = [PostgresEventStore(database, "a") for _ in range(2)]
    lives = []
    for place, store in enumerate(stores):
        run = reopen()
        before = run.system.position

        def note(_: LoggedChange, run: Run = run, before: int = before, place: int = place) -> None:
            seen[place].append(run.system.position - before)

        lives.append(LiveRun(run, store, handlers={ChangeKind.rules: note}))
    draws = np.random.default_rng(1)
    rules = LoggedChange(ChangeKind.rules, "shop", "", {})
    for row in range(12):
        lives[row % 2].submit([*events(lives[0].run, row % 3, draws), rules]).result()
    for live in lives:
        await_offset(live, stores[0].last)
    assert seen[0] == seen[1]
    assert len(seen[0]) == 12
    for live, store in zip(lives, stores, strict=True):
        live.close()
        store.close()


def test_a_store_that_is_gone_is_told_and_what_was_missed_is_learned_later(
    servers: list[LiveRun], database: str
) -> None:
    here, there = servers
    item = here.run.system.scenarios["shop"].catalogue.ids[0]
    event = LoggedEvent("buyer", item, "shop", "click", time=1)
    for number in range(3):
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        receipt = _sent(here, [replace(event, id=f"e{number}")])
        await_offset(there, receipt)
    assert here.fault is there.fault is None
    assert_equal_states(servers)
    assert here.store.last == 3


def _sent(live: LiveRun, batch: list[LoggedEvent]) -> int:
    """Send a batch until it is taken."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            return live.submit(batch).result().last
        except StoreError:
            continue
    raise AssertionError("expected the store to come back, found that it did not")


def test_a_log_that_was_set_back_is_not_followed(servers: list[LiveRun], database: str) -> None:
    here, _ = servers
    item = here.run.system.scenarios["shop"].catalogue.ids[0]
    here.submit([LoggedEvent("buyer", item, "shop", "click")] * 3).result()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DELETE FROM polyscene_a.events WHERE place > 1")
        connection.execute("UPDATE polyscene_a.log SET last = 1")
    with pytest.raises(StoreError, match="was set back; restart"):
        here.catch_up()
    assert not here.ready
    with pytest.raises(StoreError, match="was set back"):
        here.submit([LoggedEvent("buyer", item, "shop", "click")])


def test_a_clock_that_jumps_loses_nothing_and_turns_no_order_around(
    servers: list[LiveRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = servers
    ids = here.run.system.scenarios["shop"].catalogue.ids
    present = time.time_ns()
    hour = 3_600_000_000_000
    moments = [
        present,
        present - 10_000_000_000,
        present + 5,
        present + 9 * hour,
        present - hour,
        present + 9,
    ]
    for number, moment in enumerate(moments):
        monkeypatch.setattr("polyscene.serving.live.time.time_ns", lambda moment=moment: moment)
        here.submit([LoggedEvent("buyer", ids[number], "shop", "purchase")]).result()
        assert ids[number] not in here.run.recommend("buyer", "shop", 50, reasons=False).ids
    kept = [entry.time for _, entry in here.store.since(0, 99) if isinstance(entry, LoggedEvent)]
    expected = [moments[0], moments[0], *moments[2:]]  # ten seconds back are taken for no time
    assert kept == [moment // 1000 for moment in expected]
    assert hour // 1000 > MAX_MICROSECONDS_BACK
    await_offset(there, 6)
    assert_equal_states(servers)


def test_servers_that_end_in_the_middle_leave_the_others_alone(servers: list[LiveRun], database: str) -> None:
    here, _ = servers
    gone = PostgresEventStore(database, "a")
    item = here.run.system.scenarios["shop"].catalogue.ids[0]
    with gone._writing.use() as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT * FROM log FOR UPDATE")
        receipt = here.submit([LoggedEvent("buyer", item, "shop", "click")])
        connection.pgconn.finish()  # as SIGKILL does: the socket closes without a word
    assert receipt.result(PATIENCE).last == 1
    gone.close()


def test_an_append_of_the_store_itself_is_learned(servers: list[LiveRun]) -> None:
    here, there = servers
    item = here.run.system.scenarios["shop"].catalogue.ids[0]
    event = LoggedEvent("buyer", item, "shop", "click", time=1)
    here.store.append([Batch.of([event])])
    here.submit([event]).result()
    assert here.applied == 2
    await_offset(there, 2)
    assert_equal_states(servers)
