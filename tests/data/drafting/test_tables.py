"""How files are looked into."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from polyscene.core.errors import DataError
from polyscene.data.drafting import tables
from polyscene.data.drafting.folders import table_files
from polyscene.data.drafting.tables import SAMPLE_ROWS, read_tables


def test_folders_hold_tables_and_other_things(tmp_path: Path) -> None:
    for name in ("a.csv", "b.parquet", "c.jsonl.gz", "d.tsv.zst", "readme.md", ".hidden.csv", "_SUCCESS.csv"):
        (tmp_path / name).touch()
    assert [path.name for path in table_files(tmp_path)] == ["a.csv", "b.parquet", "c.jsonl.gz", "d.tsv.zst"]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_found(tmp_path: Path, separator: str) -> None:
    frame = pl.DataFrame({"id": ["1", "2"], "title": ["a, b; c", "d|e"], "year": ["1", "2"]})
    frame.write_csv(tmp_path / "items.csv", separator=separator)
    (table,), notes = read_tables([tmp_path / "items.csv"])
    assert (table.settings.separator or ",") == separator
    assert table.sample.equals(frame)
    assert notes == []


def test_packed_text_keeps_its_zeros(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "items.csv.gz", "wt", encoding="utf-8") as file:
        file.write("id,n\n007,1\n010,2\n")
    (table,), _ = read_tables([tmp_path / "items.csv.gz"])
    assert table.sample["id"].to_list() == ["007", "010"]


def test_a_missing_header_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("u1,17,5\nu2,18,4\nu1,18,3\n", encoding="utf-8")
    (table,), _ = read_tables([tmp_path / "log.csv"])
    assert table.settings.header is False
    assert table.settings.columns == table.sample.columns == ["column_1", "column_2", "column_3"]
    assert table.sample.height == 3
    assert "looks like the rows below" in table.reasons["header"]


def test_no_rows_and_no_table(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("a,b\n", encoding="utf-8")
    table_list, notes = read_tables([tmp_path / "empty.csv"])
    assert (table_list, len(notes)) == ([], 1)
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    with pytest.raises(DataError, match="not a table"):
        read_tables([tmp_path / "notes.txt"])


def test_parts_join_and_other_columns_do_not(tmp_path: Path) -> None:
    for number in range(3):
        pl.DataFrame({"a": [number], "b": ["x"]}).write_parquet(tmp_path / f"part-{number}.parquet")
    pl.DataFrame({"c": [1]}).write_parquet(tmp_path / "part-9.parquet")
    first, second = read_tables(table_files(tmp_path))[0]
    assert (len(first.paths), first.sample["a"].to_list(), first.complete) == (3, [0, 1, 2], True)
    assert list(second.columns) == ["c"]


@pytest.fixture
def long(tmp_path: Path) -> tables.Table:
    rows = SAMPLE_ROWS + 1_000
    frame = pl.DataFrame({"id": range(rows), "place": ["a"] * SAMPLE_ROWS + ["b"] * 1_000})
    frame.write_parquet(tmp_path / "long.parquet")
    return read_tables([tmp_path / "long.parquet"])[0][0]


def test_few_values_are_looked_for_beyond_the_sample(long: tables.Table) -> None:
    assert (long.sample.height, long.complete) == (SAMPLE_ROWS, False)
    assert len(long.columns["place"].distinct) == 1
    assert long.distinct("place", 5) == ["a", "b"]


def test_ids_are_looked_for_beyond_the_sample(long: tables.Table) -> None:
    wanted = pl.Series(["0", str(SAMPLE_ROWS + 5), "no such id", "-1"])
    assert long.holds("id", wanted) == 0.5


def test_large_files_are_not_read_to_their_end(long: tables.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "FULL_SCAN_BYTES", 10)
    assert long.distinct("place", 5) == ["a"]
    assert long.holds("id", pl.Series(["0", str(SAMPLE_ROWS + 5)])) == 0.5
