"""The log of events and changes in one SQLite file: WAL, synchronous=FULL, one process."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice
from operator import itemgetter
from pathlib import Path
from threading import Condition
from typing import Any, TypeAlias

import msgspec

from polyscene.serving.stores.contract import (
    Batch,
    ChangeKind,
    Entry,
    Erased,
    LoggedChange,
    LoggedEvent,
    Receipt,
    erasure_of,
    kind_of,
)
from polyscene.serving.stores.sqlite import SqliteFile

_ADD_EVENT = (
    "INSERT INTO events (place, id, user, item, scenario, action, value, time) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
)
_ADD_CHANGE = (
    "INSERT INTO changes (place, id, kind, scenario, name, fields) "
    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
)
_EVENTS = "SELECT place, user, item, scenario, action, value, time, id FROM events"
_CHANGES = "SELECT place, kind, scenario, name, fields, id FROM changes"
_LAST = (
    "SELECT max((SELECT coalesce(max(place), 0) FROM events), (SELECT coalesce(max(place), 0) FROM changes), "
    "(SELECT forgotten FROM log))"
)
RANDOM_BYTES = 16
Row: TypeAlias = tuple[Any, ...]


class SqliteEventStore:
    """An `EventStore` in a file.

    Args:
        path: the file; made where it is missing.

    Raises:
        StoreError: it cannot be used.
    """

    shared = False

    def __init__(self, path: Path) -> None:
        self._file, self._grown = SqliteFile(path, "events", "FULL"), Condition()
        with self._file.reading() as connection:
            self._last = _last(connection)
            identity, forgotten = connection.execute("SELECT identity, forgotten FROM log").fetchone()
            self._identity, self._forgotten = str(identity), int(forgotten)

    @property
    def identity(self) -> str:
        """A name that this log alone has; see the contract."""
        return self._identity

    @property
    def last(self) -> int:
        """The offset of the last entry; 0 in an empty log."""
        return self._last

    @property
    def forgotten(self) -> int:
        """The offset up to which entries may have been forgotten."""
        return self._forgotten

    def append(self, batches: Sequence[Batch]) -> list[Receipt]:
        """Keep batches in one transaction; see the contract."""
        with self._file.transaction() as connection:
            last, receipts = _last(connection), []  # read anew: an earlier commit may have failed and held
            for batch in batches:
                receipts.append(receipt := _receipt(connection, batch, last))
                last = receipt.fresh[-1][0] if receipt.fresh else last
        self._grow(last)
        return receipts

    def since(self, offset: int, limit: int) -> Iterator[tuple[int, Entry]]:
        """Yield entries after an offset; see the contract."""
        tail = " WHERE place > ? ORDER BY place LIMIT ?"
        with self._file.reading() as connection:
            events = connection.execute(_EVENTS + tail, (offset, limit)).fetchall()
            changes = connection.execute(_CHANGES + tail, (offset, limit)).fetchall()
        yield from islice(_entries(events, changes), limit)

    def wait(self, offset: int, seconds: float) -> bool:
        """Return whether there are entries after an offset; see the contract."""
        with self._grown:
            return self._grown.wait_for(lambda: self._last > offset, seconds)

    def events_of(self, user: str) -> Iterator[tuple[int, Entry]]:
        """Yield everything that is kept of a user; see the contract."""
        with self._file.reading() as connection:
            events = connection.execute(f"{_EVENTS} WHERE user = ? ORDER BY place", (user,)).fetchall()
            changes = connection.execute(
                f"{_CHANGES} WHERE kind = ? AND name = ? ORDER BY place", (ChangeKind.user, user)
            ).fetchall()
        yield from _entries(events, changes)

    def erase(self, user: str) -> Erased:
        """Remove everything that is kept of a user; see the contract."""
        marker = erasure_of(user, secrets.token_hex(RANDOM_BYTES))
        with self._file.transaction() as connection:
            place = _last(connection) + 1
            removed = connection.execute("DELETE FROM events WHERE user = ?", (user,)).rowcount
            removed += connection.execute(
                "DELETE FROM changes WHERE kind = ? AND name = ?", (ChangeKind.user, user)
            ).rowcount
            _add(connection, place, marker)
        self._file.fold_in()
        self._grow(place)
        return Erased(place, removed, marker)

    def forget(self, offset: int, before: int) -> int:
        """Remove old events; see the contract."""
        with self._file.transaction() as connection:
            removed = connection.execute(
                "DELETE FROM events WHERE place <= ? AND time < ?", (offset, before)
            ).rowcount
            if removed:
                connection.execute("UPDATE log SET forgotten = max(forgotten, ?)", (offset,))
            connection.execute("DELETE FROM batches WHERE last <= ? AND at < ?", (offset, before))
        if removed:
            self._forgotten = max(self._forgotten, offset)
        return removed

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _grow(self, last: int) -> None:
        with self._grown:
            self._last = last
            self._grown.notify_all()


def _last(connection: sqlite3.Connection) -> int:
    return int(connection.execute(_LAST).fetchone()[0])


def _entries(
    events: Iterable[tuple[Any, ...]], changes: Iterable[tuple[Any, ...]]
) -> Iterator[tuple[int, Entry]]:
    """Yield the rows of both tables in the order of their places."""
    happened: Iterator[tuple[int, Entry]] = ((row[0], LoggedEvent(*row[1:])) for row in events)
    changed: Iterator[tuple[int, Entry]] = ((row[0], _change(*row[1:])) for row in changes)
    yield from merge(happened, changed, key=itemgetter(0))


def _change(
    kind: str, scenario: str, name: str, fields: bytes | None, name_of_change: str | None
) -> LoggedChange:
    known = None if fields is None else msgspec.json.decode(fields)
    return LoggedChange(kind_of(kind), scenario, name, known, name_of_change)


def _add(connection: sqlite3.Connection, place: int, entry: Entry) -> bool:
    """Add an entry at a place and return whether it is new."""
    if isinstance(entry, LoggedEvent):
        event = entry
        row = (place, event.id, event.user, event.item, event.scenario, event.action, event.value, event.time)
        return bool(connection.execute(_ADD_EVENT, row).rowcount)
    fields = None if entry.fields is None else msgspec.json.encode(entry.fields)
    values = (place, entry.id, entry.kind, entry.scenario, entry.name, fields)
    return bool(connection.execute(_ADD_CHANGE, values).rowcount)


def _receipt(connection: sqlite3.Connection, batch: Batch, last: int) -> Receipt:
    """Add what is new in a batch and say what became of it."""
    earlier = _earlier(connection, batch)
    if earlier is not None:
        return earlier
    fresh: list[tuple[int, Entry]] = []
    for entry in batch.entries:
        place = last + len(fresh) + 1
        if _add(connection, place, entry):
            fresh.append((place, entry))
    duplicates, last = len(batch.entries) - len(fresh), last + len(fresh)
    if batch.key is not None:
        connection.execute(
            "INSERT INTO batches (key, digest, accepted, duplicates, last) VALUES (?, ?, ?, ?, ?)",
            (batch.key, batch.digest, len(fresh), duplicates, last),
        )
    return Receipt(len(fresh), duplicates, last, tuple(fresh))


def _earlier(connection: sqlite3.Connection, batch: Batch) -> Receipt | None:
    """Return the receipt of the batch that came under the same key, if any."""
    if batch.key is None:
        return None
    row = connection.execute(
        "SELECT digest, accepted, duplicates, last FROM batches WHERE key = ?", (batch.key,)
    ).fetchone()
    if row is None:
        return None
    digest, accepted, duplicates, last = row
    if digest != batch.digest:
        return Receipt(0, 0, last, conflict=True)
    return Receipt(accepted, duplicates, last, repeated=True)
