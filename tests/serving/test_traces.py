from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from polyscene.core.arrays import save_arrays
from polyscene.serving.traces import CHUNK, Search, encodings_of, search


def one(user: str, folder: Path) -> Search:
    return search(user, [folder])


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("nobody")
    assert one("u1", tmp_path) == Search(1, 0, ())
    assert one("u1", tmp_path).clean


def test_cells_of_a_database_are_told_from_words_around(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE people (name TEXT, note BLOB)")
    connection.executemany(
        "INSERT INTO people VALUES (?, ?)", [("u1", None), ("u10", b'{"of": "u1"}'), ("x", b"{u1")]
    )
    connection.commit()
    connection.close()
    search_of = one("u1", tmp_path)
    (trace,) = search_of.traces
    assert (trace.cells, trace.places, trace.certain) == (2, ("people.name", "people.note"), True)
    assert trace.bytes == 4
    assert search_of.tables == 1
    (trace,) = one("u", tmp_path).traces
    assert (trace.cells, trace.certain, trace.note) == (0, False, None)
    assert trace.bytes >= 4


def test_what_was_deleted_and_not_overwritten_is_told(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "some.db", isolation_level=None)
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute("CREATE TABLE people (name TEXT)")
    connection.executemany("INSERT INTO people VALUES (?)", [("first",), ("somebody",), ("last",)])
    connection.execute("DELETE FROM people WHERE name = 'somebody'")
    connection.close()
    result = one("somebody", tmp_path)
    assert (result.traces[0].cells, result.traces[0].note) == (0, "its bytes stand where no cell reaches")
    assert not result.clean


def test_an_open_database_is_read_as_it_lies_there(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "some.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE people (name TEXT)")
    connection.execute("INSERT INTO people VALUES ('somebody')")
    traces = {Path(trace.file).name: trace for trace in one("somebody", tmp_path).traces}
    assert traces["some.db-wal"].bytes == 1
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    traces = {Path(trace.file).name: trace for trace in one("somebody", tmp_path).traces}
    assert traces["some.db"].cells == 1
    connection.close()


def test_cells_of_a_compressed_table_are_found_where_no_byte_is(tmp_path: Path) -> None:
    pl.DataFrame({"who": ["u1", "u10"] * 1000, "n": [1, 2] * 1000}).write_parquet(tmp_path / "a.parquet")
    (trace,) = one("u1", tmp_path).traces
    assert (trace.cells, trace.places, trace.certain) == (1000, ("who",), True)


@pytest.mark.parametrize("user", ["Zoë/7", 'a "b"', "李雷"])
def test_every_encoding_is_looked_for(tmp_path: Path, user: str) -> None:
    for name, text in encodings_of(user).items():
        (tmp_path / name).write_bytes(b"  " + text + b"  ")
    traces = {Path(trace.file).name: trace for trace in one(user, tmp_path).traces}
    for name in encodings_of(user):
        assert name in traces[name].encodings
    assert traces["utf-8"].words == (user,)
    assert traces["utf-8"].certain


def test_a_word_that_contains_the_id_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("say u10, xu1 and u1.")
    (trace,) = one("u1", tmp_path).traces
    assert (trace.bytes, trace.words, trace.certain) == (3, ("u1.", "u10", "xu1"), True)
    (tmp_path / "a.txt").write_text("say u10 and xu1")
    assert one("u1", tmp_path).clean
    (tmp_path / "a.txt").write_text("say u10 and u1, too")
    (trace,) = one("u1", tmp_path).traces
    assert (trace.words, trace.certain) == (("u1", "u10"), True)


def test_a_short_id_among_numbers_is_no_proof_and_a_long_one_is(tmp_path: Path) -> None:
    for user, certain in (("u1", False), ("user-17", True)):
        numbers = np.frombuffer(b"\x00\x01" + user.encode() + b"\x00\x02" * 8, np.uint8)
        save_arrays(tmp_path / "a.safetensors", {"numbers": numbers})
        (trace,) = one(user, tmp_path).traces
        assert (trace.bytes, trace.words, trace.certain) == (1, (user,), certain)


def test_an_id_across_two_chunks_is_found_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b" " * (CHUNK - 3) + b"somebody" + b" " * 100)
    (trace,) = one("somebody", tmp_path).traces
    assert (trace.bytes, trace.words) == (1, ("somebody",))


def test_keys_and_values_of_json_count_and_numbers_do_not(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"7": ["7", 7, {"a": "77"}]}')
    (tmp_path / "b.jsonl").write_text('{"a": "7"}\nbroken 7\n\n{"b": 7}\n')
    traces = {Path(trace.file).name: trace for trace in one("7", tmp_path).traces}
    assert (traces["a.json"].cells, traces["b.jsonl"].cells) == (2, 1)


def test_a_file_that_cannot_be_read_is_not_called_clean(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"no table")
    result = one("u1", tmp_path)
    assert not result.clean
    assert result.traces[0].note is not None
