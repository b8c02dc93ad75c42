"""The log of decisions in one SQLite file of bounded length."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from polyscene.serving.stores.contract import DecisionRecord
from polyscene.serving.stores.sqlite import SqliteFile

MAX_DECISIONS = 200_000
"""The oldest beyond these are forgotten."""
_COLUMNS = "id, time, user, scenario, run, position, candidates, scores, details"
_ADD = f"INSERT INTO decisions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_FIND = f"SELECT {_COLUMNS} FROM decisions WHERE id = ?"


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
            row = connection.execute(_FIND, (decision,)).fetchone()
        return None if row is None else _record(*row)

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
