"""A row per property of a thing, in one file or several, is read as one row per thing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.data.tables.columns import Need
from polyscene.data.tables.opening import open_table
from polyscene.data.tables.table import Table

PIVOT = {"on": "sku", "name": "property", "value": "value", "time": "at"}
ID, COLOUR, PRICE = (
    Need("id", "sku", "id"),
    Need("text", "colour", "text"),
    Need("numeric", "price", "number"),
)
FIRST = "at,sku,property,value\n100,i2,colour,red\n100,i1,colour,green\n100,i1,price,9.5\n100,i3,weight,1\n"
SECOND = "at,sku,property,value\n200,i1,colour,blue\n50,i2,colour,old\n200, i2 ,price,3\n"


def opened(folder: Path, needs: list[Need], **keys: Any) -> Table:
    return open_table(TableSettings(**{"path": "part*.csv", "pivot": PIVOT, **keys}), folder, needs)


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    (tmp_path / "part1.csv").write_text(FIRST, encoding="utf-8")
    (tmp_path / "part2.csv").write_text(SECOND, encoding="utf-8")
    return tmp_path


def rows(table: Table, needs: list[Need]) -> list[tuple[object, ...]]:
    return table.collect(table.rows(needs)).rows()


def test_the_latest_value_of_each_property_over_all_files(parts: Path) -> None:
    needs = [ID, COLOUR, PRICE]
    assert rows(opened(parts, needs), needs) == [("i2", "red", 3.0), ("i1", "blue", 9.5), ("i3", None, None)]


def test_without_a_time_the_last_row_counts(parts: Path) -> None:
    pivot = {key: value for key, value in PIVOT.items() if key != "time"}
    needs = [ID, COLOUR]
    table = opened(parts, needs, pivot=pivot)
    assert rows(table, needs) == [("i2", "old"), ("i1", "blue"), ("i3", None)]


def test_a_filter_and_a_decimal_comma_see_the_properties(parts: Path) -> None:
    assert rows(opened(parts, [ID], where="price > 5"), [ID]) == [("i1",)]
    assert rows(opened(parts, [ID], where="colour = 'red' or weight = 1"), [ID]) == [("i2",), ("i3",)]


def test_columns_of_ones_among_properties_are_a_list(tmp_path: Path) -> None:
    lines = ["sku,property,value", "a,is_red,1", "a,is_big,0", "b,is_big,1"]
    (tmp_path / "part1.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    needs = [ID, Need("categorical", "traits", "text")]
    pivot = {"on": "sku", "name": "property", "value": "value"}
    table = opened(tmp_path, needs, pivot=pivot, one_hot={"traits": ["is_*"]})
    assert rows(table, needs) == [("a", "red"), ("b", "big")]


def test_a_property_that_is_not_there_is_named_with_those_that_are(parts: Path) -> None:
    with pytest.raises(DataError, match="no column 'color'") as refused:
        opened(parts, [ID, Need("text", "color", "text")])
    (problem,) = refused.value.problems
    assert problem.remedy == "did you mean 'colour'?"
    assert "colour, price, weight" in problem.found


def test_a_column_of_the_long_table_that_is_not_there(parts: Path) -> None:
    with pytest.raises(DataError, match="no column 'key'"):
        opened(parts, [ID], pivot=PIVOT | {"name": "key"})


def test_rows_without_id_or_name_and_bad_times_are_counted(parts: Path) -> None:
    lines = ["at,sku,property,value", "1,,colour,x", "2,i9,,x", "soon,i1,colour,never", ""]
    (parts / "part3.csv").write_text("\n".join(lines), encoding="utf-8")
    needs = [ID, COLOUR]
    table = opened(parts, needs, pivot=PIVOT | {"time_format": "s"})
    problems = {problem.what: problem for problem in table.remarks}
    assert problems["a row of a long table has no id or names no property"].count == 2
    timeless = problems["an impossible time of a property"]
    assert (timeless.count, timeless.severity, timeless.column) == (1, "warning", "at")
    assert rows(table, needs) == [("i2", "red"), ("i1", "blue"), ("i3", None)]


def test_a_place_in_it_has_no_row_of_the_file(parts: Path) -> None:
    table = opened(parts, [ID, COLOUR])
    place = table.place(1, "colour")
    assert (place.file, place.row, place.value) == ("part1.csv", None, "blue")


ROWS = st.lists(
    st.tuples(
        st.integers(1, 5),
        st.sampled_from(["a", "b", "c", ""]),
        st.sampled_from(["p", "q", ""]),
        st.integers(0, 99),
    ),
    min_size=1,
    max_size=25,
)


@given(written=ROWS, cut=st.integers(0, 25))
def test_every_row_counts_or_is_counted(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[int, str, str, int]], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("long")
    for number, part in enumerate((written[:cut], written[cut:])):
        lines = ["at,sku,property,value", *(",".join(map(str, row)) for row in part)]
        (folder / f"part{number}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    sound = [row for row in written if row[1] and row[2]]
    names = sorted({row[2] for row in sound})
    needs = [ID, *(Need("text", name, "text") for name in names)]
    table = opened(folder, needs, pivot=PIVOT | {"time_format": "sequence"})
    known: dict[str, dict[str, tuple[int, int]]] = {}
    for at, sku, name, value in sound:
        values = known.setdefault(sku, {})
        if name not in values or at >= values[name][0]:
            values[name] = (at, value)
    expected = [
        (sku, *(str(values[name][1]) if name in values else None for name in names))
        for sku, values in known.items()
    ]
    assert rows(table, needs) == expected
    assert sum(problem.count for problem in table.remarks if _left_out(problem)) == len(written) - len(sound)


def _left_out(problem: Problem) -> bool:
    return problem.what.startswith("a row of a long table")


def test_of_parquet_the_values_keep_their_type(tmp_path: Path) -> None:
    frame = pl.DataFrame({"sku": [7, 7], "property": ["price", "price"], "value": [1.5, 2.5], "at": [2, 1]})
    frame.write_parquet(tmp_path / "t.parquet")
    table = opened(tmp_path, [ID, PRICE], path="t.parquet", pivot=PIVOT | {"time_format": "sequence"})
    assert rows(table, [ID, PRICE]) == [("7", 1.5)]
