"""The log of decisions in a PostgreSQL schema, of bounded length, to which several servers may add."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from polyscene.serving.stores.contract import MAX_DECISIONS, DecisionRecord
from polyscene.serving.stores.postgres import (
    Connection,
    PostgresConnection,
    PostgresDatabase,
    as_text,
    from_text,
)

_COLUMNS = "id, time, user_id, scenario, run, position, candidates, scores, details"
_ADD = f"""
WITH counted AS (UPDATE decision_numbers SET last = last + %s RETURNING last)
INSERT INTO decisions (number, {_COLUMNS})
SELECT last - %s + place, {_COLUMNS} FROM counted, unnest(
  %s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[],
  %s::bytea[], %s::bytea[], %s::text[]
) WITH ORDINALITY AS rows ({_COLUMNS}, place)
ON CONFLICT (id) DO NOTHING
"""
_TRIM = "DELETE FROM decisions WHERE number <= (SELECT last FROM decision_numbers) - %s"
_READ = f"SELECT {_COLUMNS} FROM decisions"


class PostgresDecisionStore:
    """A `DecisionStore` in a schema of a database.

    Args:
        url: of the database.
        namespace: tells logs in one database apart.
        limit: how many are kept.

    Raises:
        StoreError: it cannot be used.
    """

    def __init__(self, url: str, namespace: str, limit: int = MAX_DECISIONS) -> None:
        database = PostgresDatabase(url, namespace)
        self._writing = PostgresConnection(database, _make_quick)
        self._reading = PostgresConnection(database)
        self._limit = limit
        with self._writing.prepared("decisions"):
            pass  # the tables are there now

    def record(self, records: Sequence[DecisionRecord]) -> None:
        """Keep decisions; one that is kept already, by its id, is not kept again."""
        if not records:
            return
        columns = [list(column) for column in zip(*map(_row, records), strict=True)]
        with self._writing.use() as connection:
            connection.execute(_ADD, (len(records), len(records), *columns))
            connection.execute(_TRIM, (self._limit,))

    def find(self, decision: str) -> DecisionRecord | None:
        """Return a decision by its id; None where there is none (any more)."""
        with self._reading.use() as connection:
            row = connection.execute(f"{_READ} WHERE id = %s".encode(), (as_text(decision),)).fetchone()
        return None if row is None else _record(row)

    def since(self, number: int, limit: int) -> Iterator[tuple[int, DecisionRecord]]:
        """Yield decisions after a number; see the contract."""
        query = f"SELECT number, {_COLUMNS} FROM decisions WHERE number > %s ORDER BY number LIMIT %s"
        with self._reading.use() as connection:
            rows = connection.execute(query.encode(), (number, limit)).fetchall()
        for place, *columns in rows:
            yield place, _record(columns)

    def decisions_of(self, user: str, limit: int) -> list[DecisionRecord]:
        """Return the latest decisions for a user; see the contract."""
        query = f"{_READ} WHERE user_id = %s ORDER BY number DESC LIMIT %s"
        with self._reading.use() as connection:
            rows = connection.execute(query.encode(), (as_text(user), limit)).fetchall()
        return [_record(row) for row in rows]

    def erase(self, user: str) -> int:
        """Remove the decisions for a user; see the contract."""
        with self._writing.transaction() as connection:
            connection.execute("SET LOCAL synchronous_commit TO on")
            removed = connection.execute("DELETE FROM decisions WHERE user_id = %s", (as_text(user),))
        with self._writing.use() as connection:
            connection.execute("VACUUM decisions")
        return removed.rowcount

    def close(self) -> None:
        """Let go of the connections."""
        self._writing.close()
        self._reading.close()


def _make_quick(connection: Connection) -> None:
    """Do not wait for the disk: only the end of the database's machine can lose the last decisions."""
    connection.execute("SET synchronous_commit TO off")


def _row(one: DecisionRecord) -> tuple[object, ...]:
    texts = [as_text(text) for text in (one.user, one.scenario, one.run)]
    details = msgspec.json.encode(one.details).decode()
    return as_text(one.id), one.time, *texts, one.position, one.candidates, one.scores, details


def _record(row: Sequence[Any]) -> DecisionRecord:
    name, moment, user, scenario, run, position, candidates, scores, details = row
    name, user, scenario, run = (from_text(text) for text in (name, user, scenario, run))
    known = msgspec.json.decode(details)
    return DecisionRecord(name, moment, user, scenario, run, position, candidates, scores, known)
