"""Tables of every format and packing say the same; ids, filters and rows are kept as they were meant."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from polyscene.core.errors import DataError
from polyscene.core.settings.tables import FORMATS, TableSettings
from polyscene.data.tables.columns import Need
from polyscene.data.tables.formats import TableFormat
from polyscene.data.tables.opening import open_table
from polyscene.data.tables.source import Source
from polyscene.data.tables.sources import sources_of

NEEDS = [Need("id", "id", "id"), Need("text", "name", "text"), Need("numeric", "n", "number")]
FRAME = pl.DataFrame(
    {"id": ["00123", "b c", "é,1"], "name": ['say "hi"', None, "two\nlines"], "n": [1.5, None, -2.0]}
)
EXPECTED = [("00123", 'say "hi"', 1.5), ("b c", None, None), ("é,1", "two\nlines", -2.0)]


def table_bytes(kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "parquet":
        FRAME.write_parquet(buffer)
    elif kind == "jsonl":
        buffer.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in FRAME.to_dicts()).encode())
    else:
        FRAME.write_csv(buffer, separator="\t" if kind == "tsv" else ",")
    return buffer.getvalue()


def packed(path: Path, content: bytes) -> None:
    if path.suffix == ".gz":
        content = gzip.compress(content)
    if path.suffix == ".zst":
        lines = pl.DataFrame({"line": content.decode().splitlines()}).lazy()
        lines.sink_csv(path, include_header=False, quote_style="never", compression="zstd")
    else:
        path.write_bytes(content)


def read(folder: Path, needs: list[Need] = NEEDS, **settings: Any) -> list[tuple[Any, ...]]:
    table = open_table(TableSettings(**settings), folder, needs)
    return table.collect(table.rows(needs)).rows()


@pytest.mark.parametrize(
    "name",
    [
        f"t.{kind}{packing}"
        for kind in ("csv", "tsv", "jsonl", "parquet")
        for packing in ("", ".gz", ".zst")
        if kind != "parquet" or not packing
    ],
)
def test_every_format_and_packing_reads_the_same(tmp_path: Path, name: str) -> None:
    packed(tmp_path / name, table_bytes(name.split(".")[1]))
    assert read(tmp_path, path=name) == EXPECTED


def test_the_format_can_be_given(tmp_path: Path) -> None:
    (tmp_path / "export").write_bytes(table_bytes("tsv"))
    assert read(tmp_path, path="export", format="tsv") == EXPECTED


def test_folders_globs_and_lists_are_read_in_order_and_once(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for number in (2, 0, 1):
        (folder / f"p{number}.csv").write_text(f"id,name,n\ni{number},x,{number}\n")
    for noise in ("_SUCCESS", ".hidden.csv", "notes.txt"):
        (folder / noise).write_text("not a table\n")
    expected = [(f"i{number}", "x", float(number)) for number in range(3)]
    assert read(tmp_path, path="parts") == expected
    assert read(tmp_path, path="parts/*.csv") == expected
    assert read(tmp_path, path=["parts/p2.csv", "parts", "parts/p2.csv"]) == [expected[2], *expected[:2]]


def test_files_of_different_types_make_one_table(tmp_path: Path) -> None:
    pl.DataFrame({"id": [7], "name": ["x"], "n": [1]}).write_parquet(tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("n,id,name\n2,8.0,y\n")
    assert read(tmp_path, path=["a.parquet", "b.csv"]) == [("7", "x", 1.0), ("8", "y", 2.0)]


def test_ids_survive_as_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id\n00123\n17850.0\n1.5\n00.0\n-3.0\n1e3\nv1.0\n")
    assert [row[0] for row in read(tmp_path, NEEDS[:1], path="t.csv")] == [
        "00123", "17850", "1.5", "00.0", "-3", "1e3", "v1.0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2], ["1", "2"]),
        ([17850.0, 2.5, float("nan"), None], ["17850", "2.5", None, None]),
        (["1.0", "", "x"], ["1.0", None, "x"]),
        ([True, False], ["true", "false"]),
    ],
)
def test_ids_of_typed_columns(tmp_path: Path, values: list[Any], expected: list[str]) -> None:
    pl.DataFrame({"id": values}).write_parquet(tmp_path / "t.parquet")
    assert [row[0] for row in read(tmp_path, NEEDS[:1], path="t.parquet")] == expected


def test_categories_and_lists_become_text(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": ["a"], "name": [["x", "y"]], "n": [1]})
    frame.with_columns(pl.col("id").cast(pl.Categorical)).write_parquet(tmp_path / "t.parquet")
    assert read(tmp_path, path="t.parquet") == [("a", "x, y", 1.0)]


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("n > 9", [1, 2]),
        ("n > 9 and name is not null", [2]),
        ("name like 'b%'", [2]),
        ("id not like '0%'", [1, 2]),
        ("id = '007'", [0]),
        ("id < 8", [0]),
        ("n in (5, 100)", [0, 2]),
        ("flag", [0, 2]),
        ("name <> 'select' and name <> 'a'", [2]),
        ("\"a b\" = 'z'", [1]),
    ],
)
def test_filters_see_numbers_where_they_make_sense(tmp_path: Path, where: str, kept: list[int]) -> None:
    (tmp_path / "t.csv").write_text("id,name,n,flag,a b\n007,a,5,true,x\n8,,10,false,z\n9,b,100,True,x\n")
    ids = [row[0] for row in read(tmp_path, path="t.csv", where=where)]
    assert ids == [["007", "8", "9"][place] for place in kept]


def test_a_column_is_numbers_only_where_all_files_agree(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,name,n\n1,536365,1\n")
    (tmp_path / "b.csv").write_text("id,name,n\n2,C536379,2\n")
    rows = read(tmp_path, path=["a.csv", "b.csv"], where="name not like 'C%' and n > 0")
    assert [row[0] for row in rows] == ["1"]


def test_null_values_hold_in_every_format(tmp_path: Path) -> None:
    for kind in ("csv", "jsonl"):
        frame = pl.DataFrame({"id": ["a", "b"], "name": ["-", "x"], "n": ["-", "1"]})
        (frame.write_csv if kind == "csv" else frame.write_ndjson)(tmp_path / f"t.{kind}")
        rows = read(tmp_path, path=f"t.{kind}", null_values=["-"])
        assert rows == [("a", None, None), ("b", "x", 1.0)]
        rows = read(tmp_path, path=f"t.{kind}", null_values=["-"], where="name is null")
        assert rows == [("a", None, None)]


def test_latin1_in_every_text_format(tmp_path: Path) -> None:
    for name in ("t.csv", "t.csv.gz", "t.jsonl"):
        text = table_bytes(name.split(".")[1]).decode().encode("latin1")
        packed(tmp_path / name, text)
        assert read(tmp_path, path=name, encoding="latin1") == EXPECTED


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbf" + table_bytes("csv"))
    assert read(tmp_path, path="t.csv") == EXPECTED


def database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table t (id, name text, n real)")
        connection.executemany(
            "insert into t values (?, ?, ?)", [(7, "x", 1), ("007", None, 2.5), (None, "z", None)]
        )


def test_sqlite_answers_a_query(tmp_path: Path) -> None:
    database(tmp_path / "t.db")
    rows = read(tmp_path, path="t.db", query="select * from t order by rowid", where="id is not null")
    assert rows == [("7", "x", 1.0), ("007", None, 2.5)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("delete from t", "not authorized"),
        ("attach database 'other.db' as other", "not authorized"),
        ("select absent from t", "no such column"),
        ("select 1; select 2", "one statement"),
    ],
)
def test_sqlite_is_only_read(tmp_path: Path, query: str, found: str) -> None:
    database(tmp_path / "t.db")
    before = (tmp_path / "t.db").read_bytes()
    with pytest.raises(DataError) as caught:
        read(tmp_path, path="t.db", query=query)
    assert found in caught.value.problems[0].found
    assert (tmp_path / "t.db").read_bytes() == before
    assert not (tmp_path / "other.db").exists()


def test_sqlite_needs_a_query_and_nothing_else_takes_one(tmp_path: Path) -> None:
    database(tmp_path / "t.db")
    (tmp_path / "t.csv").write_bytes(table_bytes("csv"))
    with pytest.raises(DataError, match="needs a query"):
        read(tmp_path, path="t.db")
    with pytest.raises(DataError, match="only SQLite files take a query"):
        read(tmp_path, path="t.csv", query="select 1")


def test_places_are_counted_per_file_and_before_the_filter(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,name,n\na0,x,1\n\na1,x,2\n")
    (tmp_path / "b.csv").write_text("id,name,n\nb0,x,1\nb1,x,2\nb2,x,3\n")
    table = open_table(TableSettings(path=["a.csv", "b.csv"], where="n > 1"), tmp_path, NEEDS)
    assert table.collect(table.rows(NEEDS[:1])).to_series().to_list() == ["a1", "b1", "b2"]
    places = [table.place(position, "id") for position in range(3)]
    assert [(place.file, place.row, place.value) for place in places] == [
        ("a.csv", 3, "a1"), ("b.csv", 2, "b1"), ("b.csv", 3, "b2"),
    ]  # fmt: skip
    with pytest.raises(IndexError):
        table.place(3, "id")


def test_sources_are_named_as_the_user_named_them(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "t.csv").write_text("id\n1\n")
    assert [source.shown for source in sources_of(TableSettings(path="data"), tmp_path)] == ["data/t.csv"]
    outside = sources_of(TableSettings(path=str(tmp_path / "data")), tmp_path / "elsewhere")
    assert [source.shown for source in outside] == [str(tmp_path / "data" / "t.csv")]


class Notes(TableFormat):
    endings = (".note",)

    def scan(self, source: Source, settings: TableSettings) -> pl.LazyFrame:
        names = source.path.read_text(encoding="utf-8").split()
        return pl.LazyFrame({"id": [name.lower() for name in names], "name": names, "n": [0] * len(names)})


def test_a_format_of_somebody_else_is_known_by_its_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FORMATS, "_added", {"notes": Notes})
    (tmp_path / "t.note").write_text("A B", encoding="utf-8")
    assert read(tmp_path, path="t.note") == [("a", "A", 0.0), ("b", "B", 0.0)]
    assert read(tmp_path, path="t.note", where="name > 'A'") == [("b", "B", 0.0)]
