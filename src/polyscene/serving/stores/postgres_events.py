"""The log of events and changes in a PostgreSQL schema, to which several servers may append.

Who appends locks the one row of the table `log` until the transaction is over: offsets are given in the order
of commits, and nobody ever sees one before those that come before it.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import psycopg

from polyscene.core.errors import StoreError
from polyscene.serving.stores.appending import Appending, LoggedBatch
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
from polyscene.serving.stores.postgres import (
    Connection,
    PostgresConnection,
    PostgresDatabase,
    as_text,
    as_texts,
    from_text,
)

_log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 0.5
"""Who waits for entries looks so often, even where no word of them came."""
RANDOM_BYTES = 16
_COLUMNS = "place, kind, user_id, item, scenario, action, value, time, id, name, fields"
_EVENTS = (
    "SELECT place, NULL AS kind, user_id, item, scenario, action, value, time, id, "
    "NULL AS name, NULL AS fields FROM events"
)
_CHANGES = (
    "SELECT place, kind, NULL AS user_id, NULL AS item, scenario, NULL AS action, "
    "NULL::double precision AS value, NULL::bigint AS time, id, name, fields FROM changes"
)
_PAGE = "WHERE place > %(offset)s ORDER BY place LIMIT %(limit)s"
_SINCE = (
    f"SELECT {_COLUMNS} FROM (({_EVENTS} {_PAGE}) UNION ALL ({_CHANGES} {_PAGE})) AS entries "
    "ORDER BY place LIMIT %(limit)s"
)
_OF_USER = (
    f"SELECT {_COLUMNS} FROM ({_EVENTS} WHERE user_id = %(user)s UNION ALL "
    f"{_CHANGES} WHERE kind = %(kind)s AND name = %(user)s) AS entries ORDER BY place"
)
_ADD_EVENTS = (
    "INSERT INTO events (place, id, user_id, item, scenario, action, value, time) SELECT * FROM unnest("
    "%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::double precision[], "
    "%s::bigint[])"
)
_ADD_CHANGES = (
    "INSERT INTO changes (place, id, kind, scenario, name, fields) SELECT * FROM unnest("
    "%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])"
)
_ADD_BATCHES = (
    "INSERT INTO batches (key, digest, accepted, duplicates, last) SELECT * FROM unnest("
    "%s::text[], %s::bytea[], %s::bigint[], %s::bigint[], %s::bigint[])"
)
_LOCK = "SELECT last FROM log FOR UPDATE"


class PostgresEventStore:
    """An `EventStore` in a schema of a database.

    Args:
        url: of the database.
        namespace: tells logs in one database apart.

    Raises:
        StoreError: it cannot be used.
    """

    shared = True

    def __init__(self, url: str, namespace: str) -> None:
        database = PostgresDatabase(url, namespace)
        self._writing = PostgresConnection(database, _make_durable)
        self._reading = PostgresConnection(database)
        with self._writing.prepared("events") as connection:
            (self._identity,) = _row(connection, "SELECT identity FROM log")
        self._channel = f"polyscene_{self._identity}"
        self._listening = PostgresConnection(
            database, lambda one: one.execute(f"LISTEN {self._channel}".encode())
        )

    @property
    def identity(self) -> str:
        """A name that this log alone has; see the contract."""
        return str(self._identity)

    @property
    def last(self) -> int:
        """The offset of the last entry; 0 in an empty log."""
        with self._reading.use() as connection:
            return int(_row(connection, "SELECT last FROM log")[0])

    @property
    def forgotten(self) -> int:
        """The offset up to which entries may have been forgotten."""
        with self._reading.use() as connection:
            return int(_row(connection, "SELECT forgotten FROM log")[0])

    def append(self, batches: Sequence[Batch]) -> list[Receipt]:
        """Keep batches in one transaction; see the contract."""
        with self._writing.transaction() as connection:
            appending = _locked(connection, batches)
            receipts = [appending.add(batch) for batch in batches]
            self._keep(connection, appending)
        return receipts

    def since(self, offset: int, limit: int) -> Iterator[tuple[int, Entry]]:
        """Yield entries after an offset; see the contract."""
        with self._reading.use() as connection:
            rows = connection.execute(_SINCE, {"offset": offset, "limit": limit}).fetchall()
        yield from map(_entry, rows)

    def wait(self, offset: int, seconds: float) -> bool:
        """Return whether there are entries after an offset; see the contract."""
        end = time.monotonic() + seconds
        with self._listening.use() as connection:
            while _row(connection, "SELECT last FROM log")[0] <= offset:
                left = min(end - time.monotonic(), SECONDS_BETWEEN_LOOKS)
                if left <= 0:
                    return False
                for _ in connection.notifies(timeout=left, stop_after=1):
                    pass
        return True

    def events_of(self, user: str) -> Iterator[tuple[int, Entry]]:
        """Yield everything that is kept of a user; see the contract."""
        values = {"user": as_text(user), "kind": ChangeKind.user.value}
        with self._reading.use() as connection:
            rows = connection.execute(_OF_USER, values).fetchall()
        yield from map(_entry, rows)

    def changes(self, kind: ChangeKind) -> Iterator[tuple[int, LoggedChange]]:
        """Yield every change of a kind; see the contract."""
        query = "SELECT place, kind, scenario, name, fields, id FROM changes WHERE kind = %s ORDER BY place"
        with self._reading.use() as connection:
            rows = connection.execute(query, (kind.value,)).fetchall()
        yield from ((place, _change(*columns)) for place, *columns in rows)

    def erase(self, user: str) -> Erased:
        """Remove everything that is kept of a user; see the contract.

        The rows are gone from the tables; what the disk still holds of them is up to the database, see
        `docs/serving.md`.
        """
        marker, name = erasure_of(user, secrets.token_hex(RANDOM_BYTES)), as_text(user)
        with self._writing.transaction() as connection:
            appending = _locked(connection, [])
            events = connection.execute("DELETE FROM events WHERE user_id = %s", (name,))
            query = "DELETE FROM changes WHERE kind = %s AND name = %s"
            changes = connection.execute(query, (ChangeKind.user.value, name))
            receipt = appending.add(Batch((marker,)))
            self._keep(connection, appending)
        self._clean()
        return Erased(receipt.last, events.rowcount + changes.rowcount, marker)

    def forget(self, offset: int, before: int) -> int:
        """Remove old events; see the contract."""
        with self._writing.transaction() as connection:
            query = "DELETE FROM events WHERE place <= %s AND time < %s"
            removed = connection.execute(query, (offset, before))
            if removed.rowcount:
                connection.execute("UPDATE log SET forgotten = greatest(forgotten, %s)", (offset,))
        return removed.rowcount

    def close(self) -> None:
        """Let go of the connections."""
        for connection in (self._writing, self._reading, self._listening):
            connection.close()

    def _keep(self, connection: Connection, appending: Appending) -> None:
        """Write what was added, and tell those who wait when it is committed."""
        if appending.batches:
            connection.execute(_ADD_BATCHES, _batch_columns(appending.batches))
        if not appending.fresh:
            return
        events = [(place, entry) for place, entry in appending.fresh if isinstance(entry, LoggedEvent)]
        changes = [(place, entry) for place, entry in appending.fresh if isinstance(entry, LoggedChange)]
        if events:
            connection.execute(_ADD_EVENTS, _event_columns(events))
        if changes:
            connection.execute(_ADD_CHANGES, _change_columns(changes))
        connection.execute("UPDATE log SET last = %s", (appending.last,))
        connection.execute("SELECT pg_notify(%s, '')", (self._channel,))

    def _clean(self) -> None:
        """Let the database take erased rows out of its pages."""
        try:
            with self._writing.use() as connection:
                connection.execute("VACUUM events")
                connection.execute("VACUUM changes")
        except StoreError as error:  # the rows are gone; the database cleans its pages by itself later
            _log.warning("erased rows are not cleaned up yet: %s", error)


def _make_durable(connection: Connection) -> None:
    """See to it that a commit is on the disk, whatever the database's own setting is."""
    (setting,) = _row(connection, "SELECT current_setting('synchronous_commit')")
    if setting == "off":
        connection.execute("SET synchronous_commit TO on")


def _locked(connection: Connection, batches: Sequence[Batch]) -> Appending:
    """Keep other servers from appending until the transaction ends, and look what is known of batches."""
    entries = [entry for batch in batches for entry in batch.entries if entry.id is not None]
    keys = as_texts([batch.key for batch in batches if batch.key is not None])
    events = as_texts([entry.id for entry in entries if isinstance(entry, LoggedEvent)])
    changes = as_texts([entry.id for entry in entries if isinstance(entry, LoggedChange)])
    batch_query = "SELECT key, digest, accepted, duplicates, last FROM batches WHERE key = ANY(%s::text[])"
    id_query = "SELECT id FROM {} WHERE id = ANY(%s::text[])"
    with connection.pipeline():
        last = connection.execute(_LOCK)
        known_batches = connection.execute(batch_query, (keys,)) if keys else ()
        known_events = connection.execute(id_query.format("events").encode(), (events,)) if events else ()
        known_changes = connection.execute(id_query.format("changes").encode(), (changes,)) if changes else ()
    row = last.fetchone()
    assert row is not None
    return Appending(
        row[0],
        {from_text(key): LoggedBatch(*others) for key, *others in known_batches},
        {from_text(name) for (name,) in known_events},
        {from_text(name) for (name,) in known_changes},
    )


def _row(connection: Connection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query.encode()).fetchone()
    if row is None:
        raise psycopg.DataError("the table 'log' has lost its row")
    return row


def _batch_columns(batches: Iterable[tuple[str, LoggedBatch]]) -> list[list[Any]]:
    rows = [(as_text(key), one.digest, one.accepted, one.duplicates, one.last) for key, one in batches]
    return [list(column) for column in zip(*rows, strict=True)]


def _event_columns(events: Iterable[tuple[int, LoggedEvent]]) -> list[list[Any]]:
    places, entries = zip(*events, strict=True)
    texts = [
        as_texts([getattr(one, name) for one in entries])
        for name in ("id", "user", "item", "scenario", "action")
    ]
    return [list(places), *texts, [one.value for one in entries], [one.time for one in entries]]


def _change_columns(changes: Iterable[tuple[int, LoggedChange]]) -> list[list[Any]]:
    places, entries = zip(*changes, strict=True)
    texts = [as_texts([getattr(one, name) for one in entries]) for name in ("id", "kind", "scenario", "name")]
    fields = [None if one.fields is None else msgspec.json.encode(one.fields).decode() for one in entries]
    return [list(places), *texts, fields]


def _entry(row: tuple[Any, ...]) -> tuple[int, Entry]:
    place, kind, user, item, scenario, action, value, moment, name_of_entry, name, fields = row
    if kind is None:
        known_as = None if name_of_entry is None else from_text(name_of_entry)
        user, item, scenario, action = (from_text(text) for text in (user, item, scenario, action))
        return place, LoggedEvent(user, item, scenario, action, value, moment, known_as)
    return place, _change(kind, scenario, name, fields, name_of_entry)


def _change(
    kind: str, scenario: str, name: str, fields: str | None, name_of_change: str | None
) -> LoggedChange:
    known = None if fields is None else msgspec.json.decode(fields)
    known_as = None if name_of_change is None else from_text(name_of_change)
    return LoggedChange(kind_of(kind), from_text(scenario), from_text(name), known, known_as)
