"""What every store of events and of decisions does. A new one names its class below and inherits the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyscene.serving.stores.contract import (
    Batch,
    ChangeKind,
    DecisionRecord,
    DecisionStore,
    EventStore,
    LoggedChange,
    LoggedEvent,
    erasure_of,
)
from polyscene.serving.stores.postgres_decisions import PostgresDecisionStore
from polyscene.serving.stores.postgres_events import PostgresEventStore
from polyscene.serving.stores.sqlite_decisions import SqliteDecisionStore
from polyscene.serving.stores.sqlite_events import SqliteEventStore

CLICK = LoggedEvent("u1", "sku-1", "shop", "click", None, 1_700_000_000_000_000)
ITEM = LoggedChange(
    ChangeKind.item, "shop", "sku-9", {"title": "\x00 '; --", "price": 1.5, "tags": ["a", None]}
)
GONE = LoggedChange(ChangeKind.item, "shop", "sku-9", None)
FAR = 4_000_000_000_000_000
"""After everything that happens while tests run."""
HOSTILE = LoggedEvent("'; DROP TABLE events; --", "\x00\\0\\\u202e𝄞%s", "shop", "like", -0.0, None, "id '\"")
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors, HealthCheck.too_slow]
"""Every example has a path of its own; the classes differ on purpose, and so does the speed of disks."""


def numbered(*ids: str | None) -> tuple[LoggedEvent, ...]:
    """Return an event for each id, told apart by the user."""
    return tuple(replace(CLICK, user=f"u{row}", id=name) for row, name in enumerate(ids))


class EventStoreContract:
    """Inherit, and say how to open a store by a path; opened again by it, it is the same store."""

    def open(self, path: Path) -> EventStore:
        raise NotImplementedError

    def leftovers(self, name: str, folder: Path) -> list[str]:
        """Return where a name can still be read."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[EventStore]:
        store = self.open(tmp_path / "events.db")
        yield store
        store.close()

    def test_an_empty_log(self, store: EventStore) -> None:
        assert store.last == 0
        assert list(store.since(0, 10)) == []
        assert store.append([]) == []

    def test_events_come_back_as_they_were_in_their_order(self, store: EventStore) -> None:
        first, second = store.append([Batch.of([CLICK, HOSTILE]), Batch.of([CLICK])])
        assert (first.accepted, first.duplicates, first.last) == (2, 0, 2)
        assert (second.accepted, second.last) == (1, 3)
        assert first.fresh == ((1, CLICK), (2, HOSTILE))
        assert list(store.since(0, 10)) == [(1, CLICK), (2, HOSTILE), (3, CLICK)]

    def test_reading_goes_on_from_an_offset(self, store: EventStore) -> None:
        store.append([Batch.of(numbered(None, None, None, None))])
        assert [offset for offset, _ in store.since(1, 2)] == [2, 3]
        assert [offset for offset, _ in store.since(3, 100)] == [4]
        assert list(store.since(4, 100)) == []

    def test_an_event_is_kept_once_by_its_id(self, store: EventStore) -> None:
        store.append([Batch.of(numbered("a"))])
        (receipt,) = store.append([Batch.of(numbered("b", "a", "b", None))])
        assert (receipt.accepted, receipt.duplicates, receipt.last) == (2, 2, 3)
        assert [event.id for _, event in store.since(0, 10)] == ["a", "b", None]

    def test_ids_meet_within_one_call_too(self, store: EventStore) -> None:
        receipts = store.append([Batch.of(numbered("a")), Batch.of(numbered("a"))])
        assert [receipt.accepted for receipt in receipts] == [1, 0]
        assert store.last == 1

    def test_a_batch_is_kept_once_by_its_key(self, store: EventStore) -> None:
        (first,) = store.append([Batch.of([CLICK, CLICK], "k")])
        again, other = store.append([Batch.of([CLICK, CLICK], "k"), Batch.of([CLICK], "other")])
        assert (again.accepted, again.last, again.fresh, again.repeated) == (2, first.last, (), True)
        assert (other.accepted, other.repeated) == (1, False)
        assert store.last == 3

    def test_another_batch_under_the_same_key_is_refused_alone(self, store: EventStore) -> None:
        store.append([Batch.of([CLICK], "k")])
        conflict, fine = store.append([Batch.of([HOSTILE], "k"), Batch.of([CLICK])])
        assert (conflict.conflict, conflict.accepted) == (True, 0)
        assert (fine.conflict, fine.accepted) == (False, 1)
        assert [event for _, event in store.since(0, 10)] == [CLICK, CLICK]

    def test_everything_is_there_after_a_restart(self, store: EventStore, tmp_path: Path) -> None:
        store.append([Batch.of(numbered("a", None), "k")])
        identity = store.identity
        store.close()
        again = self.open(tmp_path / "events.db")
        assert again.last == 2
        assert [event.id for _, event in again.since(0, 10)] == ["a", None]
        assert again.append([Batch.of(numbered("a", None), "k")])[0].repeated
        assert again.append([Batch.of(numbered("a"))])[0].duplicates == 1
        assert again.identity == identity
        again.close()

    def test_every_log_has_a_name_of_its_own(self, store: EventStore, tmp_path: Path) -> None:
        other = self.open(tmp_path / "other" / "events.db")
        assert other.identity != store.identity
        assert len(other.identity) == 32
        other.close()

    def test_changes_and_events_share_one_order(self, store: EventStore) -> None:
        store.append([Batch.of([CLICK, ITEM, CLICK]), Batch.of([GONE])])
        assert list(store.since(0, 10)) == [(1, CLICK), (2, ITEM), (3, CLICK), (4, GONE)]
        assert list(store.since(1, 2)) == [(2, ITEM), (3, CLICK)]
        assert store.last == 4

    def test_a_change_is_kept_once_by_its_id(self, store: EventStore) -> None:
        named = replace(ITEM, id="c1")
        first, again = store.append([Batch.of([named]), Batch.of([named, CLICK])])
        assert (first.accepted, again.accepted, again.duplicates) == (1, 1, 1)
        assert list(store.since(0, 10)) == [(1, named), (2, CLICK)]

    def test_waiting_ends_when_something_came(self, store: EventStore) -> None:
        assert not store.wait(0, 0.0)
        store.append([Batch.of([CLICK])])
        assert store.wait(0, 0.0)
        assert not store.wait(1, 0.01)
        writer = Thread(target=lambda: store.append([Batch.of([ITEM])]))
        writer.start()
        assert store.wait(1, 60.0)
        writer.join()

    def test_a_user_can_be_read_and_erased(self, store: EventStore) -> None:
        profile = LoggedChange(ChangeKind.user, "", "u1", {"country": "DE"})
        store.append([Batch.of([CLICK, HOSTILE, profile, ITEM, replace(CLICK, user="u2")])])
        assert list(store.events_of("u1")) == [(1, CLICK), (3, profile)]
        erased = store.erase("u1")
        assert (erased.offset, erased.entries) == (6, 2)
        assert erased.marker == erasure_of("u1", erased.marker.name)
        kept = [(2, HOSTILE), (4, ITEM), (5, replace(CLICK, user="u2")), (6, erased.marker)]
        assert list(store.since(0, 10)) == kept
        assert list(store.events_of("u1")) == []
        assert store.append([Batch.of([CLICK])])[0].last == 7

    def test_an_erased_user_leaves_no_byte(self, store: EventStore, tmp_path: Path) -> None:
        name = "unmistakable-person"
        for row in range(50):
            store.append([Batch.of([replace(CLICK, user=name, id=f"{name}-{row}"), CLICK], f"key {row}")])
        assert self.leftovers(name, tmp_path) != []
        store.erase(name)
        assert self.leftovers(name, tmp_path) == []

    def test_old_events_are_forgotten_and_offsets_go_on(self, store: EventStore) -> None:
        old, new = replace(CLICK, time=1_000), replace(CLICK, time=9_000)
        store.append([Batch.of([old, ITEM, new, replace(CLICK, time=None), old])])
        assert store.forgotten == 0
        assert store.forget(4, 5_000) == 1
        assert [offset for offset, _ in store.since(0, 10)] == [2, 3, 4, 5]
        assert store.forgotten == 4
        assert store.forget(5, 100_000) == 2
        assert store.append([Batch.of([CLICK])])[0].last == 6

    def test_the_end_is_remembered_when_all_is_forgotten(self, store: EventStore, tmp_path: Path) -> None:
        store.append([Batch.of([replace(CLICK, time=1), replace(CLICK, time=2)])])
        assert store.forget(2, 5) == 2
        store.close()
        again = self.open(tmp_path / "events.db")
        assert (again.last, again.forgotten) == (2, 2)
        assert again.append([Batch.of([CLICK])])[0].last == 3
        again.close()

    def test_keys_are_forgotten_with_the_events_that_came_under_them(self, store: EventStore) -> None:
        old = replace(CLICK, time=1_000)
        store.append([Batch.of([old], "first"), Batch.of([old], "second")])
        assert store.forget(2, 5_000) == 2  # long before these keys came
        assert store.append([Batch.of([old], "first")])[0].repeated
        assert store.forget(1, FAR) == 0
        first, second = store.append([Batch.of([CLICK], "first"), Batch.of([old], "second")])
        assert (first.repeated, first.conflict, first.accepted, first.last) == (False, False, 1, 3)
        assert (second.repeated, second.last) == (True, 2)

    @settings(max_examples=25, suppress_health_check=CHECKS)
    @given(ids=st.lists(st.lists(st.sampled_from([None, "a", "b", "c", "d"]), max_size=4), max_size=6))
    def test_any_batches_keep_what_a_set_would_keep(
        self, ids: list[list[str | None]], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        store = self.open(tmp_path_factory.mktemp("any") / "events.db")
        seen, expected = set[str](), list[str | None]()
        for batch in ids:
            for name in batch:
                if name is None or name not in seen:
                    expected.append(name)
                    seen |= {name} if name else set()
        receipts = store.append([Batch.of(numbered(*batch)) for batch in ids])
        assert [event.id for _, event in store.since(0, 100)] == expected
        assert sum(receipt.accepted for receipt in receipts) == len(expected) == store.last
        assert [offset for offset, _ in store.since(0, 100)] == list(range(1, len(expected) + 1))
        store.close()


class InFiles:
    """Stores that are files."""

    def leftovers(self, name: str, folder: Path) -> list[str]:
        files = [path for path in folder.rglob("*") if path.is_file()]
        return [path.name for path in files if name.encode() in path.read_bytes()]


class InDatabase:
    """Stores that are schemas of a database."""

    url: str

    @pytest.fixture(autouse=True)
    def _database(self, database: str) -> None:
        self.url = database

    def leftovers(self, name: str, folder: Path) -> list[str]:
        tables = (
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables "
            "WHERE schemaname LIKE 'polyscene%'"
        )
        parts = [name, name.encode().hex()]
        with psycopg.connect(self.url) as connection:
            return [
                table
                for (table,) in connection.execute(tables).fetchall()
                for row in connection.execute(f"SELECT t::text FROM {table} AS t".encode()).fetchall()
                if any(part in row[0] for part in parts)
            ]


def namespace_of(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:30]


class TestSqliteEvents(InFiles, EventStoreContract):
    def open(self, path: Path) -> EventStore:
        return SqliteEventStore(path)


class TestPostgresEvents(InDatabase, EventStoreContract):
    def open(self, path: Path) -> EventStore:
        return PostgresEventStore(self.url, namespace_of(path))


RECORD = DecisionRecord(
    "d1", 7, "u'1", "shop", "run-1", 3, b"\x00\x01\xff", bytes(range(256)), {"slate": ["a"], "k": 1}
)


class DecisionStoreContract:
    """Inherit, and say how to open a store by a path, of a limited length."""

    def open(self, path: Path, limit: int) -> DecisionStore:
        raise NotImplementedError

    def leftovers(self, name: str, folder: Path) -> list[str]:
        """Return where a name can still be read."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[DecisionStore]:
        store = self.open(tmp_path / "decisions.db", 3)
        yield store
        store.close()

    def test_a_decision_comes_back_as_it_was(self, store: DecisionStore, tmp_path: Path) -> None:
        store.record([RECORD])
        assert store.find("d1") == RECORD
        assert store.find("d2") is None
        store.close()
        again = self.open(tmp_path / "decisions.db", 3)
        assert again.find("d1") == RECORD
        again.close()

    def test_they_are_read_in_order_and_by_user(self, store: DecisionStore) -> None:
        rows = [replace(RECORD, id=f"d{number}", user=f"u{number % 2}") for number in range(3)]
        store.record(rows)
        numbers, records = zip(*store.since(0, 2), strict=True)
        assert list(records) == rows[:2]
        assert [record for _, record in store.since(numbers[-1], 10)] == rows[2:]
        assert store.decisions_of("u0", 10) == [rows[2], rows[0]]
        assert store.decisions_of("u0", 1) == [rows[2]]

    def test_a_user_is_erased_without_a_byte_left(self, store: DecisionStore, tmp_path: Path) -> None:
        name = "unmistakable-person"
        store.record([RECORD, replace(RECORD, id="d2", user=name, details={"for": name})])
        assert self.leftovers(name, tmp_path) != []
        assert store.erase(name) == 1
        assert store.find("d2") is None
        assert store.find("d1") == RECORD
        assert self.leftovers(name, tmp_path) == []

    def test_numbers_never_come_again(self, store: DecisionStore) -> None:
        store.record([RECORD])
        ((first, _),) = store.since(0, 1)
        store.erase(RECORD.user)
        store.record([RECORD])
        assert [number for number, _ in store.since(first, 9)] == [first + 1]

    def test_the_oldest_are_forgotten(self, store: DecisionStore) -> None:
        for number in range(5):
            store.record([replace(RECORD, id=f"d{number}")])
        kept = [number for number in range(5) if store.find(f"d{number}") is not None]
        assert kept == [2, 3, 4]


class TestSqliteDecisions(InFiles, DecisionStoreContract):
    def open(self, path: Path, limit: int) -> DecisionStore:
        return SqliteDecisionStore(path, limit)


class TestPostgresDecisions(InDatabase, DecisionStoreContract):
    def open(self, path: Path, limit: int) -> DecisionStore:
        return PostgresDecisionStore(self.url, namespace_of(path), limit)
