"""Tables are brought forward while servers of the version before go on with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import psycopg
import pytest

from polyscene.core.errors import StoreError
from polyscene.serving.stores import postgres, sqlite
from polyscene.serving.stores.contract import Batch, LoggedEvent
from polyscene.serving.stores.migrations import Migration, migrations
from polyscene.serving.stores.postgres_events import PostgresEventStore
from polyscene.serving.stores.sqlite_events import SqliteEventStore

CLICK = LoggedEvent("u1", "sku-1", "shop", "click", time=1_000)
FAR = 4_000_000_000_000_000
Knowing = Callable[[int], AbstractContextManager[None]]


@pytest.fixture
def knowing(monkeypatch: pytest.MonkeyPatch) -> Knowing:
    """Return what lets a server that is opened within it know no more than the first few migrations."""

    @contextmanager
    def limited(number: int) -> Iterator[None]:
        with monkeypatch.context() as patch:
            for module in (postgres, sqlite):
                patch.setattr(module, "migrations", lambda *names: migrations(*names)[:number])
            yield

    return limited


@pytest.mark.parametrize("schema", ["events", "decisions"])
def test_every_migration_lets_the_servers_before_it_go_on(schema: str) -> None:
    for one in migrations("postgres", schema)[1:]:
        assert one.oldest < one.number


def test_servers_that_are_upgraded_one_after_the_other_lose_and_double_nothing(
    database: str, knowing: Knowing
) -> None:
    with knowing(1):
        old, other = (PostgresEventStore(database, "a") for _ in range(2))
    sent, seen, over, halfway = dict[str, int](), list[int](), Event(), Event()

    def write(store: PostgresEventStore, name: str) -> None:
        row = 0
        while not over.is_set() or row < 60:
            entry = replace(CLICK, id=f"{name}-{row}")
            batch = Batch.of([entry, replace(CLICK, id=f"both-{row}")], f"{name} {row}")
            for _ in range(2):  # as a client does that had no answer
                (receipt,) = store.append([batch])
            sent[f"{name}-{row}"] = receipt.last
            row += 1
            if row == 20:
                halfway.set()

    def read() -> None:
        while True:
            ended = over.is_set()
            page = [offset for offset, _ in other.since(seen[-1] if seen else 0, 50)]
            seen.extend(page)
            if ended and not page:
                return

    threads = [Thread(target=write, args=(old, "old")), Thread(target=read)]
    for thread in threads:
        thread.start()
    halfway.wait()
    new = PostgresEventStore(database, "a")
    with psycopg.connect(database) as connection:
        versions = connection.execute(
            "SELECT version, oldest FROM polyscene_a.migrations WHERE part = 'events' ORDER BY 1"
        ).fetchall()
    assert versions == [(one.number, one.oldest) for one in migrations("postgres", "events")]
    write_new = Thread(target=write, args=(new, "new"))
    write_new.start()
    with knowing(1):
        restarted = PostgresEventStore(database, "a")  # an old server that is restarted in the meantime
    restarted.append([Batch.of([replace(CLICK, id="restarted")])])
    over.set()
    for thread in (threads[0], write_new, threads[1]):
        thread.join()
    rows = list(new.since(0, 10_000))
    assert rows == list(old.since(0, 10_000)) == list(restarted.since(0, 10_000))
    ids = [entry.id for _, entry in rows]
    both = {f"both-{row}" for row in range(len(ids)) if f"both-{row}" in ids}
    assert sorted(map(str, ids)) == sorted({*sent, *both, "restarted"})
    assert len(both) * 2 >= len(sent)
    later = [offset for offset in seen if offset <= rows[-1][0]]
    assert later == [offset for offset, _ in rows][: len(later)]
    assert new.append([Batch.of([replace(CLICK, id="old-0"), replace(CLICK, id="both-0")], "old 0")])[
        0
    ].repeated
    assert new.forget(new.last, FAR) == len(rows)
    with psycopg.connect(database) as connection:
        left = connection.execute("SELECT count(*) FROM polyscene_a.batches").fetchone()
    assert left == (0,)  # those that the old server wrote have their age too
    for store in (old, other, new, restarted):
        store.close()


@pytest.mark.parametrize(("oldest", "goes_on"), [(2, True), (3, False), (None, False)])
def test_a_database_of_a_later_version_is_gone_on_with_where_it_says_so(
    database: str, oldest: int | None, goes_on: bool
) -> None:
    PostgresEventStore(database, "a").close()
    number = len(migrations("postgres", "events"))
    with psycopg.connect(database, autocommit=True) as connection:
        query = "INSERT INTO polyscene_a.migrations (part, version, oldest) VALUES ('events', %s, %s)"
        connection.execute(query, (number + 1, None if oldest is None else oldest - 2 + number))
    if goes_on:
        store = PostgresEventStore(database, "a")
        assert store.append([Batch.of([CLICK])])[0].accepted == 1
        store.close()
    else:
        expected = (
            f"servers of version {number} can use, found {number + 1}, for those of {number + 1} or later"
        )
        with pytest.raises(StoreError, match=expected):
            PostgresEventStore(database, "a")


def test_a_file_is_brought_forward_and_an_old_server_goes_on_with_it(
    tmp_path: Path, knowing: Knowing
) -> None:
    path = tmp_path / "events.db"
    with knowing(2):
        old = SqliteEventStore(path)
        old.append([Batch.of([replace(CLICK, id="a")], "k")])
        identity = old.identity
        old.close()
    new = SqliteEventStore(path)
    assert (new.identity, new.last) == (identity, 1)
    assert new.append([Batch.of([replace(CLICK, id="a")], "k")])[0].repeated
    new.append([Batch.of([replace(CLICK, id="b")], "l")])
    new.close()
    with knowing(2):
        old = SqliteEventStore(path)
        assert [entry.id for _, entry in old.since(0, 9)] == ["a", "b"]
        assert old.append([Batch.of([replace(CLICK, id="b")], "l")])[0].repeated
        old.append([Batch.of([replace(CLICK, id="c")], "m")])
        old.close()
    with knowing(1), pytest.raises(StoreError, match="for those of 2 or later"):
        SqliteEventStore(path)
    new = SqliteEventStore(path)
    assert (new.forget(3, FAR), new.last) == (3, 3)
    assert not new.append([Batch.of([CLICK], "m")])[0].conflict
    new.close()


def test_what_a_migration_says_of_those_before_it_is_read() -> None:
    first, second = migrations("postgres", "events")[:2]
    assert (first.number, first.oldest) == (1, 1)
    assert isinstance(second, Migration)
    assert (second.number, second.oldest) == (2, 1)
