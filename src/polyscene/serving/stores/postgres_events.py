"""The log of events and changes in a PostgreSQL schema, to which several servers may append.

Who appends locks the one row of the table `log` until the transaction is over: offsets are given in the order
of commits, and nobody ever sees one before those that come before it.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterator, Sequence
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
_LAST = "SELECT last FROM log"
_LOCK = f"{_LAST} FOR UPDATE"
_KNOWN_BATCHES = "SELECT key, digest, accepted, duplicates, last FROM batches WHERE key = ANY(%s::text[])"
_KNOWN_EVENTS = "SELECT id FROM events WHERE id = ANY(%s::text[])"
_KNOWN_CHANGES = "SELECT id FROM changes WHERE id = ANY(%s::text[])"
_ADD = """
WITH moved AS (UPDATE log SET last = %(last)s WHERE last = %(before)s RETURNING last),
new_events AS (
  INSERT INTO events (place, id, user_id, item, scenario, action, value, time)
  SELECT rows.* FROM moved, json_to_recordset(%(events)s::json) AS rows (
    place bigint, id text, user_id text, item text, scenario text, action text, value double precision,
    time bigint)),
new_changes AS (
  INSERT INTO changes (place, id, kind, scenario, name, fields)
  SELECT rows.* FROM moved, json_to_recordset(%(changes)s::json) AS rows (
    place bigint, id text, kind text, scenario text, name text, fields text)),
new_batches AS (
  INSERT INTO batches (key, digest, accepted, duplicates, last)
  SELECT rows.* FROM moved, unnest(
    %(keys)s::text[], %(digests)s::bytea[], %(accepted)s::bigint[], %(duplicates)s::bigint[],
    %(lasts)s::bigint[]) AS rows)
SELECT pg_notify(%(channel)s, '') FROM moved
"""
"""One statement, which the database does or does not by itself: no server can hang in the middle of it."""
HASTY_TRIES = 4
"""So often it is tried without holding others up; who is overtaken each time takes the lock."""


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
        """Keep batches, all in one transaction; see the contract.

        What is known of them is read first, and they are added in one statement if the log is still as long
        as it was then.
        """
        for _ in range(HASTY_TRIES):
            with self._writing.use() as connection:
                receipts = self._added(connection, batches)
            if receipts is not None:
                return receipts
        with self._writing.transaction() as connection:
            connection.execute(_LOCK)
            receipts = self._added(connection, batches)
        assert receipts is not None  # nobody else changes the log meanwhile
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

    def erase(self, user: str) -> Erased:
        """Remove everything that is kept of a user; see the contract.

        The rows are gone from the tables; what the disk still holds of them is up to the database, see
        `docs/serving.md`.
        """
        marker, name = erasure_of(user, secrets.token_hex(RANDOM_BYTES)), as_text(user)
        with self._writing.transaction() as connection:
            (last,) = _row(connection, _LOCK)
            appending = Appending(last, {}, (), ())
            events = connection.execute("DELETE FROM events WHERE user_id = %s", (name,))
            query = "DELETE FROM changes WHERE kind = %s AND name = %s"
            changes = connection.execute(query, (ChangeKind.user.value, name))
            receipt = appending.add(Batch((marker,)))
            connection.execute(_ADD, self._values(appending, last))
        self._clean()
        return Erased(receipt.last, events.rowcount + changes.rowcount, marker)

    def forget(self, offset: int, before: int) -> int:
        """Remove old events; see the contract."""
        with self._writing.transaction() as connection:
            query = "DELETE FROM events WHERE place <= %s AND time < %s"
            removed = connection.execute(query, (offset, before))
            if removed.rowcount:
                connection.execute("UPDATE log SET forgotten = greatest(forgotten, %s)", (offset,))
            connection.execute("DELETE FROM batches WHERE last <= %s AND at < %s", (offset, before))
        return removed.rowcount

    def close(self) -> None:
        """Let go of the connections."""
        for connection in (self._writing, self._reading, self._listening):
            connection.close()

    def _added(self, connection: Connection, batches: Sequence[Batch]) -> list[Receipt] | None:
        """Add batches, and tell those who wait; None: another server added something meanwhile."""
        appending = _looked_up(connection, batches)
        before = appending.last
        receipts = [appending.add(batch) for batch in batches]
        if not appending.fresh and not appending.batches:
            return receipts
        try:
            row = connection.execute(_ADD, self._values(appending, before)).fetchone()
        except psycopg.errors.UniqueViolation:  # the same key came elsewhere, with nothing new under it
            return None
        return None if row is None else receipts

    def _values(self, appending: Appending, before: int) -> dict[str, Any]:
        """Return what `_ADD` takes."""
        fresh = appending.fresh
        events = [_event_row(place, one) for place, one in fresh if isinstance(one, LoggedEvent)]
        changes = [_change_row(place, one) for place, one in fresh if isinstance(one, LoggedChange)]
        kept = [batch for _, batch in appending.batches]
        return {
            "last": appending.last,
            "before": before,
            "events": msgspec.json.encode(events).decode(),
            "changes": msgspec.json.encode(changes).decode(),
            "keys": [as_text(key) for key, _ in appending.batches],
            "digests": [batch.digest for batch in kept],
            "accepted": [batch.accepted for batch in kept],
            "duplicates": [batch.duplicates for batch in kept],
            "lasts": [batch.last for batch in kept],
            "channel": self._channel,
        }

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


def _looked_up(connection: Connection, batches: Sequence[Batch]) -> Appending:
    """Look how long the log is, and then what it knows of batches: nothing that came before is missed."""
    entries = [entry for batch in batches for entry in batch.entries if entry.id is not None]
    keys = as_texts([batch.key for batch in batches if batch.key is not None])
    events = as_texts([entry.id for entry in entries if isinstance(entry, LoggedEvent)])
    changes = as_texts([entry.id for entry in entries if isinstance(entry, LoggedChange)])
    (last,) = _row(connection, _LAST)
    known_batches = connection.execute(_KNOWN_BATCHES, (keys,)) if keys else ()
    known_events = connection.execute(_KNOWN_EVENTS, (events,)) if events else ()
    known_changes = connection.execute(_KNOWN_CHANGES, (changes,)) if changes else ()
    return Appending(
        last,
        {from_text(key): LoggedBatch(*others) for key, *others in known_batches},
        {from_text(name) for (name,) in known_events},
        {from_text(name) for (name,) in known_changes},
    )


def _row(connection: Connection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query.encode()).fetchone()
    if row is None:
        raise psycopg.DataError("the table 'log' has lost its row")
    return row


def _event_row(place: int, event: LoggedEvent) -> dict[str, object]:
    return {
        "place": place,
        "id": _optional(event.id),
        "user_id": as_text(event.user),
        "item": as_text(event.item),
        "scenario": as_text(event.scenario),
        "action": as_text(event.action),
        "value": None if event.value is None else repr(event.value),  # JSON has no infinity
        "time": event.time,
    }


def _change_row(place: int, change: LoggedChange) -> dict[str, object]:
    return {
        "place": place,
        "id": _optional(change.id),
        "kind": change.kind.value,
        "scenario": as_text(change.scenario),
        "name": as_text(change.name),
        "fields": None if change.fields is None else msgspec.json.encode(change.fields).decode(),
    }


def _optional(text: str | None) -> str | None:
    return None if text is None else as_text(text)


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
