from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from polyscene.core.errors import StoreError
from polyscene.serving.stores.contract import Batch, LoggedEvent
from polyscene.serving.stores.migrations import migrations
from polyscene.serving.stores.sqlite import APPLICATION_IDS, SqliteFile
from polyscene.serving.stores.sqlite_events import SqliteEventStore

CLICK = LoggedEvent("u1", "sku-1", "shop", "click")


def test_what_is_acknowledged_is_flushed(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path / "events.db", "events", "FULL")
    pragmas = [
        file.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
    ]
    assert pragmas == ["wal", 2]
    file.close()


def test_a_full_disk_refuses_and_loses_nothing(tmp_path: Path) -> None:
    store = SqliteEventStore(tmp_path / "events.db")
    store.append([Batch.of([CLICK], "first")])
    connection = store._file.connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    large = [LoggedEvent(f"u{row}", "x" * 500, "shop", "click") for row in range(200)]
    with pytest.raises(StoreError, match=r"room on the disk.*can be sent again"):
        store.append([Batch.of(large, "large")])
    assert store.last == 1
    connection.execute("PRAGMA max_page_count = 1000000")
    (receipt,) = store.append([Batch.of(large, "large")])
    assert (receipt.accepted, receipt.repeated, store.last) == (200, False, 201)
    store.close()


def test_two_services_cannot_have_one_file(tmp_path: Path) -> None:
    store = SqliteEventStore(tmp_path / "events.db")
    with pytest.raises(StoreError, match="stop the other process"):
        SqliteEventStore(tmp_path / "events.db")
    store.append([Batch.of([CLICK])])
    store.close()
    SqliteEventStore(tmp_path / "events.db").close()


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    store = SqliteEventStore(tmp_path / "events.db")
    store.append([Batch.of([CLICK] * 50)])
    store.close()
    path = tmp_path / "events.db"
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))
    with pytest.raises(StoreError, match=r"events\.db.*copy in its place"):
        SqliteEventStore(path)
    path.write_bytes(b"id,user\n" * 200)
    with pytest.raises(StoreError, match="a file that this service wrote"):
        SqliteEventStore(path)


@pytest.mark.parametrize("version", [0, 1])
def test_a_file_of_another_program_is_left_alone(tmp_path: Path, version: int) -> None:
    path = tmp_path / "events.db"
    other = sqlite3.connect(path)
    other.executescript(f"CREATE TABLE mine (x); PRAGMA user_version = {version};")
    other.close()
    with pytest.raises(StoreError, match="other tables"):
        SqliteEventStore(path)
    other = sqlite3.connect(path)
    assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("mine",)]
    other.close()


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    SqliteEventStore(path).close()
    later = sqlite3.connect(path)
    later.execute("INSERT INTO migrations VALUES (99, 99)")
    later.commit()
    later.execute("PRAGMA user_version = 99")
    later.close()
    with pytest.raises(StoreError, match=r"servers of version 3 can use, found 99, for those of 99 or"):
        SqliteEventStore(path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/data"):
        SqliteEventStore(tmp_path / "file" / "data" / "events.db")


@pytest.mark.parametrize("schema", ["events", "decisions"])
def test_migrations_are_numbered_from_one(schema: str) -> None:
    folder = Path(SqliteFile.__init__.__code__.co_filename).parent / "sql" / "sqlite" / schema
    numbers = [int(path.name.split("_")[0]) for path in sorted(folder.iterdir())]
    assert numbers == list(range(1, len(numbers) + 1))
    assert f"application_id = {APPLICATION_IDS[schema]}" in migrations("sqlite", schema)[0].script
