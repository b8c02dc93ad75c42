"""The log of events in one SQLite file: WAL, synchronous=FULL, one process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from polyscene.serving.stores.contract import Batch, LoggedEvent, Receipt
from polyscene.serving.stores.sqlite import SqliteFile

_ADD = (
    "INSERT INTO events (place, id, user, item, scenario, action, value, time) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
)
_READ = (
    "SELECT place, user, item, scenario, action, value, time, id FROM events "
    "WHERE place > ? ORDER BY place LIMIT ?"
)


class SqliteEventStore:
    """An `EventStore` in a file.

    Args:
        path: the file; made where it is missing.

    Raises:
        StoreError: it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path, "events", "FULL")
        with self._file.reading() as connection:
            self._last = _last(connection)

    @property
    def last(self) -> int:
        """The offset of the last event; 0 in an empty log."""
        return self._last

    def append(self, batches: Sequence[Batch]) -> list[Receipt]:
        """Keep batches in one transaction; see the contract."""
        with self._file.transaction() as connection:
            last, receipts = _last(connection), []  # read anew: an earlier commit may have failed and held
            for batch in batches:
                receipts.append(receipt := _receipt(connection, batch, last))
                last = receipt.fresh[-1][0] if receipt.fresh else last
        self._last = last
        return receipts

    def since(self, offset: int, limit: int) -> Iterator[tuple[int, LoggedEvent]]:
        """Yield events after an offset; see the contract."""
        with self._file.reading() as connection:
            rows = connection.execute(_READ, (offset, limit)).fetchall()
        for place, *columns in rows:
            yield place, LoggedEvent(*columns)

    def known_to(self, run: str) -> int:
        """Return up to which offset a run already holds the log; 0: nothing of it."""
        with self._file.reading() as connection:
            row = connection.execute("SELECT last FROM runs WHERE run = ?", (run,)).fetchone()
        return 0 if row is None else int(row[0])

    def remember(self, run: str, offset: int) -> None:
        """Keep up to which offset a run holds the log; durable on return."""
        with self._file.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO runs (run, last) VALUES (?, ?)", (run, offset))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _last(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(place), 0) FROM events").fetchone()[0])


def _receipt(connection: sqlite3.Connection, batch: Batch, last: int) -> Receipt:
    """Add what is new in a batch and say what became of it."""
    earlier = _earlier(connection, batch)
    if earlier is not None:
        return earlier
    fresh: list[tuple[int, LoggedEvent]] = []
    for event in batch.events:
        place = last + len(fresh) + 1
        row = (place, event.id, event.user, event.item, event.scenario, event.action, event.value, event.time)
        if connection.execute(_ADD, row).rowcount:
            fresh.append((place, event))
    duplicates, last = len(batch.events) - len(fresh), last + len(fresh)
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
