"""The logs of a service to read, whether or not it is running: of files, a copy; of a database, itself.

A running service holds its SQLite files for itself, so what is read is a copy, made while it goes on. With
WAL journals that is sound as long as the journal was not begun anew meanwhile: what a checkpoint has moved
from the journal into the file stands in both, and a journal that ends in the middle of a commit counts up to
the commit before (SQLite, The WAL file format, sections 1 and 4.5). So the file is copied first, then the
journal, and both again where the journal's salts have changed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polyscene.core.errors import StoreError
from polyscene.serving.stores.contract import DecisionStore, EventStore
from polyscene.serving.stores.opening import DECISIONS, EVENTS, open_stores

MAX_TRIES = 20
HEADER_BYTES = 32
"""Of a WAL file; its salts are among them."""


@contextmanager
def stores_to_read(place: str | Path, namespace: str) -> Iterator[tuple[EventStore, DecisionStore]]:
    """Open the logs of a service for reading; a folder's are copied to a temporary one, gone on leaving.

    Args:
        place: the folder of a service, or the address of its database.
        namespace: of the service in a database.

    Raises:
        StoreError: there are none, or they cannot be read.
    """
    if isinstance(place, str):
        with _opened(place, namespace) as stores:
            yield stores
        return
    with tempfile.TemporaryDirectory(prefix="polyscene-logs-") as folder:
        for name in (EVENTS, DECISIONS):
            copy_of(place / name, Path(folder) / name)
        with _opened(Path(folder), namespace) as stores:
            yield stores


@contextmanager
def _opened(place: str | Path, namespace: str) -> Iterator[tuple[EventStore, DecisionStore]]:
    events, decisions = open_stores(place, namespace)
    try:
        yield events, decisions
    finally:
        events.close()
        decisions.close()


def copy_of(source: Path, target: Path) -> None:
    """Copy a SQLite file with its journal as they stand, whoever writes to them.

    Call it from another process than the one that has the file open: on POSIX closing any handle of a file
    drops the locks that the process holds on it.

    Raises:
        StoreError: it is not there, or was written anew all the time.
    """
    if not source.is_file():
        raise StoreError(
            f"expected the log of a service at {source}, found none; name its folder with --data, or its "
            "database with --database"
        )
    try:
        for _ in range(MAX_TRIES):
            before = _state(source)
            shutil.copyfile(source, target)
            journal = _journal(source)
            if journal.exists():
                shutil.copyfile(journal, _journal(target))
            if _state(source) == before:
                return
            _journal(target).unlink(missing_ok=True)
    except FileNotFoundError as error:
        raise StoreError(
            f"expected {source} to stay while it is copied, found {error.filename} gone; try again"
        ) from error
    except OSError as error:
        raise StoreError(
            f"expected to copy {source}, found {error.strerror}; make room or mend rights"
        ) from error
    raise StoreError(f"expected a moment in which {source} can be copied, found none; try again")


def _state(source: Path) -> tuple[bytes, int]:
    """Return what changes when a journal is begun anew; without a journal, when the file is written."""
    journal = _journal(source)
    header = b""
    if journal.exists():
        with journal.open("rb") as file:
            header = file.read(HEADER_BYTES)
    return (header, 0) if header else (header, source.stat().st_mtime_ns)


def _journal(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")
