"""SQLite files as a service needs them: durable, of a known version, for one process, with clear errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Literal

from polyscene.core.errors import StoreError
from polyscene.core.files import flush
from polyscene.serving.stores.migrations import migrations, missing

Durability = Literal["FULL", "NORMAL"]
"""FULL: what is committed survives the end of the machine. NORMAL: that of the process."""

APPLICATION_IDS = {"events": 1349734774, "decisions": 1349734775, "known": 1349734776}
"""What the first migration of a schema writes into the file's header."""

_MIGRATIONS = "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, oldest INTEGER NOT NULL)"
"""Which servers go on beside each version; the version itself stands in the file's header."""

_REMEDIES = {
    sqlite3.SQLITE_FULL: ("room on the disk", "make room; what was refused can be sent again"),
    sqlite3.SQLITE_BUSY: ("the file for this service alone", "stop the other process that has it open"),
    sqlite3.SQLITE_LOCKED: ("the file for this service alone", "stop the other process that has it open"),
    sqlite3.SQLITE_CORRUPT: ("an undamaged file", "put a copy in its place, or move it away to start anew"),
    sqlite3.SQLITE_NOTADB: ("a file that this service wrote", "move it away, or name another --data folder"),
    sqlite3.SQLITE_READONLY: ("a file that can be written", "mend its permissions"),
    sqlite3.SQLITE_CANTOPEN: ("a file that can be opened", "mend the permissions of its folder"),
    sqlite3.SQLITE_IOERR: ("a disk that can be read and written", "look at the disk"),
}


class SqliteFile:
    """One file with one connection that threads take in turns.

    Args:
        path: its folder is made where it is missing.
        schema: the folder of its migrations, below `sql/sqlite/`.
        durability: what a commit survives.

    Raises:
        StoreError: it cannot be opened, belongs to another process, or is not what it should be.
    """

    def __init__(self, path: Path, schema: str, durability: Durability = "FULL") -> None:
        self.path, self._lock = path, Lock()
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self.connection = sqlite3.connect(
                path, timeout=0.0, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(schema, durability)
            except BaseException:
                self.connection.close()
                raise
            flush(path.parent)

    def _prepare(self, schema: str, durability: Durability) -> None:
        execute = self.connection.execute
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute("PRAGMA journal_mode = WAL")
        execute(f"PRAGMA synchronous = {durability}")
        execute("PRAGMA trusted_schema = OFF")
        execute("PRAGMA secure_delete = ON")  # what is erased is overwritten
        execute("BEGIN EXCLUSIVE")  # taken at once, and kept: nobody else gets in until it is closed
        execute("COMMIT")
        self._migrate(schema)

    def _migrate(self, schema: str) -> None:
        """Bring the file to the present version, a step at a time, each whole or not at all."""
        version = self._number("PRAGMA user_version")
        if self._is_foreign(schema, version):
            raise StoreError(
                f"expected {self.path} to be empty or written by this service, found other tables in it; "
                "name another --data folder"
            )
        for step in missing(str(self.path), migrations("sqlite", schema), version, self._oldest(version)):
            self.connection.executescript(
                f"BEGIN; {_MIGRATIONS}; {step.script}; "
                f"INSERT INTO migrations VALUES ({step.number}, {step.oldest}); "
                f"PRAGMA user_version = {step.number}; COMMIT;"
            )

    def _oldest(self, version: int) -> int:
        """Return from which version on servers can go on with the file; early ones did not say."""
        if not self._number("SELECT count(*) FROM sqlite_schema WHERE name = 'migrations'"):
            return version
        return self._number(f"SELECT coalesce(max(oldest), {version}) FROM migrations")

    def _is_foreign(self, schema: str, version: int) -> bool:
        if version == 0:
            return self._number("SELECT count(*) FROM sqlite_schema") > 0
        return self._number("PRAGMA application_id") != APPLICATION_IDS[schema]

    def _number(self, query: str) -> int:
        return int(self.connection.execute(query).fetchone()[0])

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection; on leaving without an error everything is committed, else nothing.

        Raises:
            StoreError: it could not be committed.
        """
        with self._lock, self._translated():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection for reading.

        Raises:
            StoreError: it cannot be read.
        """
        with self._lock, self._translated():
            yield self.connection

    def fold_in(self) -> None:
        """Fold the journal into the file and empty it, so that nothing erased is left in it.

        Raises:
            StoreError: it could not be done.
        """
        with self._lock, self._translated():
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Fold the journal into the file and let it go."""
        with self._lock:
            self.connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(_message(self.path, error)) from error
        except OSError as error:
            raise StoreError(
                f"expected to use {self.path}, found {error.strerror}; mend its folder"
            ) from error


def _message(path: Path, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    expected, remedy = _REMEDIES.get(code, ("a working store", "see what the message says"))
    return f"expected {expected} for {path}, found: {error}; {remedy}"
