"""What the log's changes say at present, and the vectors of texts that were read, in a file of its own.

The log is the truth. This file saves reading it from its beginning to answer what is known of an item, and
saves asking the language model again: a vector that was used once is used for ever, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec
import numpy as np

from polyscene.core.types import FloatArray
from polyscene.serving.stores.contract import ChangeKind, EventStore, LoggedChange
from polyscene.serving.stores.sqlite import SqliteFile

ENTRIES_PER_PAGE = 5_000
NUMBERS = "<f4"
"""How a vector lies in the file."""
_PUT = "INSERT OR REPLACE INTO fields (kind, scenario, name, fields) VALUES (?, ?, ?, ?)"
_READ = "SELECT name, fields FROM fields WHERE kind = ? AND scenario = ?"

Fields = dict[str, Any]
Told = tuple[str, Fields | None]
"""A name and what was told of it last; None: it is gone."""


class Known:
    """The present state of the log's changes.

    Attributes:
        changing: held by who changes what is known on the ground of what is known.

    Args:
        path: of the file; made where it is missing.

    Raises:
        StoreError: it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._file, self.changing = SqliteFile(path, "known", "NORMAL"), Lock()
        self._closed = False

    def follow(self, store: EventStore) -> None:
        """Take what a log holds, unless it was followed before to the end of a service.

        Raises:
            StoreError: the log cannot be read.
        """
        with self._file.reading() as connection:
            row = connection.execute("SELECT identity, complete FROM log").fetchone()
        if row != (store.identity, 1):
            with self._file.transaction() as connection:
                connection.execute("DELETE FROM fields")
            offset = 0
            while page := list(store.since(offset, ENTRIES_PER_PAGE)):
                self.put([entry for _, entry in page if isinstance(entry, LoggedChange)])
                offset = page[-1][0]
        self._mark(store.identity, complete=False)

    def put(self, changes: Iterable[LoggedChange]) -> None:
        """Take changes, of which the last about something counts.

        Raises:
            StoreError: they could not be kept.
        """
        with self._file.transaction() as connection:
            for change in changes:
                if change.kind is not ChangeKind.erasure:
                    fields = None if change.fields is None else msgspec.json.encode(change.fields)
                    connection.execute(_PUT, (change.kind, change.scenario, change.name, fields))

    def told(self, kind: ChangeKind, scenario: str, name: str) -> Told | None:
        """Return what was told last of something; None: nothing was ever told of it.

        Raises:
            StoreError: the file cannot be read.
        """
        with self._file.reading() as connection:
            row = connection.execute(f"{_READ} AND name = ?", (kind, scenario, name)).fetchone()
        return None if row is None else _told(*row)

    def every(self, kind: ChangeKind, scenario: str, names: Sequence[str]) -> dict[str, Fields | None]:
        """Return what was told last of those of some names of which anything was told.

        Raises:
            StoreError: the file cannot be read.
        """
        marks = ", ".join("?" * len(names))
        with self._file.reading() as connection:
            query = f"{_READ} AND name IN ({marks})"
            rows = connection.execute(query, (kind, scenario, *names)).fetchall()
        return dict(_told(*row) for row in rows)

    def forget(self, is_erased: Callable[[str], bool]) -> int:
        """Remove what is known of users, and return of how many; nothing of it stays in the file.

        Raises:
            StoreError: nothing was removed.
        """
        with self._file.reading() as connection:
            rows = connection.execute("SELECT name FROM fields WHERE kind = ?", (ChangeKind.user,)).fetchall()
        names = [name for (name,) in rows if is_erased(name)]
        if names:
            with self._file.transaction() as connection:
                for name in names:
                    connection.execute(
                        "DELETE FROM fields WHERE kind = ? AND name = ?", (ChangeKind.user, name)
                    )
            self._file.fold_in()
        return len(names)

    def vectors(self, keys: Sequence[bytes]) -> dict[bytes, FloatArray]:
        """Return the (d,) vectors of those keys that are kept.

        Raises:
            StoreError: the file cannot be read.
        """
        kept: dict[bytes, FloatArray] = {}
        with self._file.reading() as connection:
            for key in keys:
                row = connection.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
                if row is not None:
                    kept[key] = np.frombuffer(row[0], NUMBERS).astype(np.float32)
        return kept

    def keep(self, vectors: Mapping[bytes, FloatArray]) -> None:
        """Keep vectors; one that is kept already stays.

        Raises:
            StoreError: none was kept.
        """
        rows = [(key, vector.astype(NUMBERS).tobytes()) for key, vector in vectors.items()]
        with self._file.transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO vectors (key, vector) VALUES (?, ?)", rows)

    def close(self, identity: str) -> None:
        """Note that all that a log held was taken, and let go of the file."""
        if not self._closed:
            self._closed = True
            self._mark(identity, complete=True)
            self._file.close()

    def _mark(self, identity: str, complete: bool) -> None:
        with self._file.transaction() as connection:
            connection.execute("DELETE FROM log")
            connection.execute("INSERT INTO log (identity, complete) VALUES (?, ?)", (identity, complete))


def _told(name: str, fields: bytes | None) -> Told:
    return name, None if fields is None else msgspec.json.decode(fields)
