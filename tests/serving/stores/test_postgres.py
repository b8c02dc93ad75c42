from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.core.errors import StoreError
from polyscene.serving.stores import postgres, postgres_events
from polyscene.serving.stores.contract import Batch, DecisionRecord, LoggedEvent
from polyscene.serving.stores.migrations import migrations
from polyscene.serving.stores.opening import open_stores
from polyscene.serving.stores.postgres import as_text, from_text
from polyscene.serving.stores.postgres_decisions import PostgresDecisionStore
from polyscene.serving.stores.postgres_events import PostgresEventStore

CLICK = LoggedEvent("u1", "sku-1", "shop", "click")
RECORD = DecisionRecord("d1", 7, "u1", "shop", "run-1", 3, b"\x00\xff", b"\x01", {"k": 1})


@pytest.fixture
def store(database: str) -> Iterator[PostgresEventStore]:
    store = PostgresEventStore(database, "a")
    yield store
    store.close()


def end_connections(url: str) -> None:
    """End every other connection to a database, as its administrator can."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@given(st.text(alphabet=st.sampled_from("a\\0\0%'"), max_size=8))
def test_any_text_can_be_kept_and_differs_from_any_other(text: str) -> None:
    assert from_text(as_text(text)) == text
    assert "\0" not in as_text(text)


def test_servers_that_start_together_make_the_tables_once(database: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(lambda _: open_stores(database, "a"), range(6)))
    assert len({events.identity for events, _ in stores}) == 1
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT part, version FROM polyscene_a.migrations ORDER BY 1, 2").fetchall()
    expected = [(part, number) for part in ("decisions", "events") for number in versions(part)]
    assert rows == expected
    for pair in stores:
        for one in pair:
            one.close()


def versions(part: str) -> range:
    return range(1, len(migrations("postgres", part)) + 1)


def test_migrations_are_numbered_from_one() -> None:
    for part in ("events", "decisions"):
        folder = Path(postgres.__file__).parent / "sql" / "postgres" / part
        assert [int(path.name.split("_")[0]) for path in sorted(folder.iterdir())] == list(versions(part))


def test_namespaces_are_logs_of_their_own(store: PostgresEventStore, database: str) -> None:
    other = PostgresEventStore(database, "b-2")
    store.append([Batch.of([CLICK], "k")])
    assert (store.last, other.last) == (1, 0)
    assert not other.append([Batch.of([CLICK, CLICK], "k")])[0].conflict
    assert other.identity != store.identity
    other.close()


@pytest.mark.parametrize("namespace", ["", "a.b", "a b", 'a"; DROP SCHEMA public; --', "ü", "-a", "x" * 41])
def test_a_namespace_that_is_no_name_is_refused(database: str, namespace: str) -> None:
    with pytest.raises(StoreError, match="expected a namespace"):
        PostgresEventStore(database, namespace)


def test_several_servers_append_and_every_reader_sees_one_order(database: str) -> None:
    stores = [PostgresEventStore(database, "a") for _ in range(3)]
    done, seen = Event(), list[int]()

    def read() -> None:
        reader = PostgresEventStore(database, "a")
        while True:
            over = done.is_set()
            page = [offset for offset, _ in reader.since(seen[-1] if seen else 0, 7)]
            seen.extend(page)
            if over and not page:
                break
        reader.close()

    def write(number: int) -> list[int]:
        offsets = []
        for row in range(40):
            entries = [replace(CLICK, id=f"{number}-{row}"), replace(CLICK, id=f"both-{row}")]
            (receipt,) = stores[number].append([Batch.of(entries, f"{number}-{row}")])
            offsets += [offset for offset, _ in receipt.fresh]
        return offsets

    reading = Thread(target=read)
    reading.start()
    with ThreadPoolExecutor(3) as pool:
        offsets = [offset for row in pool.map(write, range(3)) for offset in row]
    done.set()
    reading.join()
    assert sorted(offsets) == list(range(1, 161))  # 3 * 40 of their own, and 40 that all of them sent
    assert seen == list(range(1, 161))
    for one in stores:
        one.close()


def test_the_word_of_another_server_ends_waiting(store: PostgresEventStore, database: str) -> None:
    other = PostgresEventStore(database, "a")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store.wait, 0, 60.0)
        other.append([Batch.of([CLICK])])
        assert waiting.result()
    other.close()


def test_a_lost_connection_is_told_once_and_made_again(store: PostgresEventStore, database: str) -> None:
    store.append([Batch.of([CLICK], "k")])
    assert store.last == 1
    end_connections(database)
    for call in (lambda: store.append([Batch.of([CLICK], "m")]), lambda: store.last):
        with pytest.raises(StoreError, match=r"expected to reach PostgreSQL .*tried again by itself"):
            call()
    assert store.append([Batch.of([CLICK], "m")])[0].last == 2
    assert store.append([Batch.of([CLICK], "k")])[0].repeated
    assert store.last == 2
    assert store.wait(1, 0.0)


def test_a_database_that_is_gone_is_not_asked_all_the_time(
    store: PostgresEventStore, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_connections(database)
    attempts, moment = list[float](), 0.0

    def refuse(*_: Any, **__: Any) -> None:
        attempts.append(moment)
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr("polyscene.serving.stores.postgres.time.monotonic", lambda: moment)
    with pytest.raises(StoreError):
        store.append([Batch.of([CLICK])])
    with monkeypatch.context() as patch:
        patch.setattr(psycopg, "connect", refuse)
        for _ in range(101):
            with pytest.raises(StoreError, match="connection refused"):
                store.append([Batch.of([CLICK])])
            moment += 0.05
    assert 4 <= len(attempts) <= 8
    assert attempts[1] - attempts[0] < 0.2
    moment += postgres.MAX_DELAY
    assert store.append([Batch.of([CLICK])])[0].last == 1


def test_an_unknown_server_is_told_without_the_password() -> None:
    url = "postgresql://somebody:s3cr3t-w0rd@127.0.0.1:1/shop"
    with pytest.raises(StoreError, match=r"'shop' on 127\.0\.0\.1.*refused.*tried again") as raised:
        PostgresEventStore(url, "a")
    assert "s3cr3t" not in f"{raised.value!r} {raised.value.__cause__!r}"


@pytest.mark.parametrize("rest", ["@w0rd@host/shop", "%zz@host/shop", "@[host/shop", "@host/shop?s3cr3t"])
def test_an_address_that_cannot_be_read_is_not_repeated(rest: str) -> None:
    with pytest.raises(StoreError, match="expected an address such as") as raised:
        PostgresEventStore(f"postgresql://somebody:s3cr3t{rest}", "a")
    assert "s3cr3t" not in str(raised.value)
    assert raised.value.__cause__ is raised.value.__context__ is None


def test_a_schema_of_another_program_is_left_alone(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA polyscene_a")
        connection.execute("CREATE TABLE polyscene_a.mine (x integer)")
        with pytest.raises(StoreError, match="other tables"):
            PostgresEventStore(database, "a")
        names = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'polyscene_a'"
        ).fetchall()
    assert names == [("mine",)]


def test_a_schema_of_a_later_version_is_refused(store: PostgresEventStore, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO polyscene_a.migrations VALUES ('events', 99)")
    with pytest.raises(StoreError, match=r"servers of version \d+ can use, found 99"):
        PostgresEventStore(database, "a")


def test_a_change_of_a_later_version_is_not_passed_over(store: PostgresEventStore, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO polyscene_a.changes VALUES (1, NULL, 'prices', '', 'x', NULL)")
    with pytest.raises(StoreError, match="found 'prices'"):
        list(store.since(0, 10))


def test_a_user_who_may_not_make_a_schema_uses_one_that_is_there(database: str, postgres: Any) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        role = f"role_{os.urandom(8).hex()}"
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        url = database.replace("postgres@", f"{role}@")
        with pytest.raises(StoreError, match="grant CREATE"):
            PostgresEventStore(url, "a")
        connection.execute(f"CREATE SCHEMA polyscene_a AUTHORIZATION {role}".encode())
    store = PostgresEventStore(url, "a")
    assert store.append([Batch.of([CLICK])])[0].last == 1
    store.close()


def test_who_holds_the_log_too_long_is_waited_for_in_vain_only_so_long(
    store: PostgresEventStore, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres.LIMITS, "lock_timeout", "50ms")
    hasty = PostgresEventStore(database, "a")
    with psycopg.connect(database) as holder:
        holder.execute("SELECT * FROM polyscene_a.log FOR UPDATE")
        with pytest.raises(StoreError, match="expected an answer in time"):
            hasty.append([Batch.of([CLICK])])
        holder.rollback()
    assert hasty.append([Batch.of([CLICK])])[0].last == 1
    hasty.close()


@pytest.mark.parametrize("hasty_tries", [0, 4])
def test_a_server_that_hangs_while_it_holds_the_log_is_thrown_out(
    store: PostgresEventStore, database: str, monkeypatch: pytest.MonkeyPatch, hasty_tries: int
) -> None:
    monkeypatch.setattr(postgres_events, "HASTY_TRIES", hasty_tries)
    monkeypatch.setitem(postgres.LIMITS, "idle_in_transaction_session_timeout", "100ms")
    hanging = PostgresEventStore(database, "a")

    def hang() -> None:
        with hanging._writing.transaction() as connection:
            connection.execute(postgres_events._LOCK)
            assert store.append([Batch.of([CLICK])])[0].last == 1  # while the other neither reads nor writes

    with pytest.raises(StoreError, match=r"expected no pause in the middle of a write to .*sent again"):
        hang()
    assert hanging.append([Batch.of([CLICK])])[0].last == 2
    hanging.close()


def test_a_server_stopped_at_any_moment_of_its_writing_holds_up_nobody(
    store: PostgresEventStore, database: str
) -> None:
    store.append([Batch.of([CLICK])])
    words = [sys.executable, str(Path(__file__).with_name("stopped_writer.py")), database]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        for stop in range(12):
            assert writer.stdout.readline()  # it writes
            writer.send_signal(signal.SIGSTOP)
            before, entry = store.last, replace(CLICK, id=str(stop))
            assert store.append([Batch.of([entry])])[0].last in (before + 1, before + 2)  # one was on its way
            writer.send_signal(signal.SIGCONT)
        writer.kill()
    assert [offset for offset, _ in store.since(0, 2**31)] == list(range(1, store.last + 1))


@pytest.mark.parametrize("times", [1, 4])
def test_who_is_overtaken_looks_again(
    store: PostgresEventStore, database: str, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    other, look_up = PostgresEventStore(database, "a"), postgres_events._looked_up
    left = iter(range(times))

    def overtaken(connection: postgres.Connection, batches: Sequence[Batch]) -> Any:
        known = look_up(connection, batches)
        if next(left, None) is not None:
            with monkeypatch.context() as patch:
                patch.setattr(postgres_events, "_looked_up", look_up)
                other.append([Batch.of([replace(CLICK, id="theirs"), replace(CLICK, id=None)])])
        return known

    monkeypatch.setattr(postgres_events, "_looked_up", overtaken)
    (receipt,) = store.append([Batch.of([replace(CLICK, id="theirs"), replace(CLICK, id="ours")], "k")])
    assert (receipt.accepted, receipt.duplicates, receipt.last) == (1, 1, times + 2)
    ids = [entry.id for _, entry in store.since(0, 99)]
    assert ids == ["theirs", *[None] * times, "ours"]
    other.close()


def test_the_same_key_at_two_servers_is_kept_once_where_nothing_is_new(
    store: PostgresEventStore, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, look_up = PostgresEventStore(database, "a"), postgres_events._looked_up
    batch = Batch.of([replace(CLICK, id="a")], "k")
    store.append([replace(batch, key=None)])

    def overtaken(connection: postgres.Connection, batches: Sequence[Batch]) -> Any:
        known = look_up(connection, batches)
        monkeypatch.setattr(postgres_events, "_looked_up", look_up)
        assert not other.append([batch])[0].repeated
        return known

    monkeypatch.setattr(postgres_events, "_looked_up", overtaken)
    (receipt,) = store.append([batch])
    assert (receipt.repeated, receipt.duplicates, receipt.last) == (True, 1, 1)
    other.close()


def test_numbers_come_back_as_they_were(store: PostgresEventStore) -> None:
    values = [0.1, -0.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, None]
    store.append([Batch.of([replace(CLICK, value=value) for value in values])])
    kept = [entry.value for _, entry in store.since(0, 9) if isinstance(entry, LoggedEvent)]
    assert list(map(repr, kept)) == list(map(repr, values))


def test_half_a_transaction_is_none(store: PostgresEventStore) -> None:
    def add_halves() -> None:
        with store._writing.transaction() as connection:
            connection.execute("INSERT INTO changes VALUES (1, NULL, 'item', 'shop', 'x', NULL)")
            connection.execute("INSERT INTO changes VALUES (2, NULL, 'item', 'shop', NULL, NULL)")

    with pytest.raises(StoreError, match="null value"):
        add_halves()
    assert list(store.since(0, 9)) == []
    assert store.append([Batch.of([CLICK])])[0].last == 1


def test_commits_are_durable_whatever_the_database_is_set_to(database: str) -> None:
    name = database.split("/")[3].split("?")[0]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit TO off".encode())
    store, decisions = PostgresEventStore(database, "a"), PostgresDecisionStore(database, "a")
    settings = []
    for one in (store, decisions):
        with one._writing.use() as connection:
            settings += connection.execute("SHOW synchronous_commit").fetchall()
        one.close()
    assert settings == [("on",), ("off",)]


def test_a_decision_sent_again_is_kept_once(database: str) -> None:
    store = PostgresDecisionStore(database, "a")
    store.record([RECORD])
    store.record([RECORD, replace(RECORD, id="d2")])
    assert [record.id for _, record in store.since(0, 9)] == ["d1", "d2"]
    store.close()


def test_decisions_of_several_servers_have_numbers_of_their_own(database: str) -> None:
    stores = [PostgresDecisionStore(database, "a") for _ in range(2)]

    def write(number: int) -> None:
        for row in range(20):
            stores[number].record([replace(RECORD, id=f"{number}-{row}-{one}") for one in range(3)])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(2)))
    assert [number for number, _ in stores[0].since(0, 999)] == list(range(1, 121))
    for one in stores:
        one.close()


def test_a_folder_is_sqlite_and_an_address_is_postgres(tmp_path: Path, database: str) -> None:
    for place, shared in ((tmp_path / "data", False), (database, True)):
        events, decisions = open_stores(place, "a")
        events.append([Batch.of([CLICK])])
        assert events.shared is shared
        assert decisions.find("d1") is None
        events.close()
        decisions.close()
    assert (tmp_path / "data" / "events.db").is_file()
    assert re.match("postgresql://", database)
