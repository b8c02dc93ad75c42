"""The log of decisions in one SQLite file of bounded length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from polyscene.serving.stores.contract import MAX_DECISIONS, DecisionRecord
from polyscene.serving.stores.sqlite import SqliteFile

_COLUMNS = "id, time, user, scenario, run, position, candidates, scores, details"
_ADD = f"INSERT INTO decisions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_READ = f"SELECT {_COLUMNS} FROM decisions"


class SqliteDecisionStore:
    """A `DecisionStore` in a file.

    Args:
        path: the file; made where it is missing.
        limit: how many are kept.

    Raises:
        StoreError: it cannot be used.
    """

    def __init__(self, path: Path, limit: int = MAX_DECISIONS) -> None:
        self._file, self._limit = SqliteFile(path, "decisions", "NORMAL"), limit

    def record(self, records: Sequence[DecisionRecord]) -> None:
        """Keep decisions; see the contract."""
        rows = [_row(one) for one in records]
        with self._file.transaction() as connection:
            connection.executemany(_ADD, rows)
            connection.execute(
                "DELETE FROM decisions WHERE number <= (SELECT max(number) FROM decisions) - ?",
                (self._limit,),
            )

    def find(self, decision: str) -> DecisionRecord | None:
        """Return a decision by its id; None where there is none (any more)."""
        with self._file.reading() as connection:
            row = connection.execute(f"{_READ} WHERE id = ?", (decision,)).fetchone()
        return None if row is None else _record(*row)

    def since(self, number: int, limit: int) -> Iterator[tuple[int, DecisionRecord]]:
        """Yield decisions after a number; see the contract."""
        query = f"SELECT number, {_COLUMNS} FROM decisions WHERE number > ? ORDER BY number LIMIT ?"
        with self._file.reading() as connection:
            rows = connection.execute(query, (number, limit)).fetchall()
        for place, *columns in rows:
            yield place, _record(*columns)

    def decisions_of(self, user: str, limit: int) -> list[DecisionRecord]:
        """Return the latest decisions for a user; see the contract."""
        query = f"{_READ} WHERE user = ? ORDER BY number DESC LIMIT ?"
        with self._file.reading() as connection:
            rows = connection.execute(query, (user, limit)).fetchall()
        return [_record(*row) for row in rows]

    def erase(self, user: str) -> int:
        """Remove the decisions for a user; see the contract."""
        with self._file.transaction() as connection:
            removed = connection.execute("DELETE FROM decisions WHERE user = ?", (user,)).rowcount
        self._file.fold_in()
        return removed

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _row(one: DecisionRecord) -> tuple[object, ...]:
    details = msgspec.json.encode(one.details)
    arrays = one.candidates, one.scores
    return one.id, one.time, one.user, one.scenario, one.run, one.position, *arrays, details


def _record(
    name: str,
    moment: int,
    user: str,
    scenario: str,
    run: str,
    position: int,
    candidates: bytes,
    scores: bytes,
    details: bytes,
) -> DecisionRecord:
    known = msgspec.json.decode(details)
    return DecisionRecord(name, moment, user, scenario, run, position, candidates, scores, known)
