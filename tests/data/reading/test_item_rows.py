"""Items given as plain values become what training would have read from the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.data.reading.item_rows import ItemRows, rows_of
from polyscene.data.reading.items import read_items
from polyscene.data.schema import UNKNOWN_TIME, Catalogue

if TYPE_CHECKING:
    from tests.data.conftest import Shop

KEYS = {
    "path": "items.csv",
    "id": "id",
    "text": ["title"],
    "categorical": ["brand"],
    "numeric": ["price"],
    "time": "since",
}
TEMPLATE = "{title}. Brand: {brand}, for {price} coins."
ROWS: list[dict[str, Any]] = [
    {"id": "a", "title": "Apple  pie", "brand": "Acme", "price": 1.5, "since": "2024-01-01 10:00:00"},
    {"id": 7, "title": "Bread.", "brand": None, "price": 2, "since": None},
    {"id": "c", "title": None, "brand": "Baker", "price": None, "since": "2024-05-31"},
    {"id": "d", "title": " ", "brand": "", "price": 3.0, "since": ""},
]


def settings_of(items: Mapping[str, Any] = {}, **scenario: Any) -> ScenarioSettings:
    events = {"path": "events.csv", "user": "who", "item": "what"}
    return ScenarioSettings.model_validate({"items": {**KEYS, **items}, "events": events, **scenario})


def problem_of(rows: Sequence[Mapping[str, object]], items: Mapping[str, Any] = {}) -> Problem:
    with pytest.raises(DataError) as raised:
        rows_of(settings_of(items), rows)
    assert len(raised.value.problems) == 1, str(raised.value)
    return raised.value.problems[0]


def assert_equal(rows: ItemRows, catalogue: Catalogue) -> None:
    assert list(rows.ids) == catalogue.ids.values.to_list()
    assert rows.texts == catalogue.text
    assert rows.titles == catalogue.title
    assert rows.attributes.equals(catalogue.attributes)
    assert rows.attributes.schema == catalogue.attributes.schema
    np.testing.assert_array_equal(rows.since, catalogue.since)
    assert rows.since.dtype == np.int64


def csv(rows: Sequence[Mapping[str, object]]) -> str:
    lines = [",".join("" if value is None else str(value) for value in row.values()) for row in rows]
    return "\n".join([",".join(rows[0]), *lines]) + "\n"


@pytest.mark.parametrize("template", [None, TEMPLATE])
@pytest.mark.parametrize("text", [["title"], ["brand", "title"], []])
def test_rows_equal_what_is_read_from_the_table(shop: Shop, template: str | None, text: list[str]) -> None:
    shop.write("items.csv", csv(ROWS[:3]))
    settings = settings_of({"text": text}, template=template)
    problems: list[Problem] = []
    catalogue = read_items(settings, shop.folder, problems)
    assert not [problem for problem in problems if problem.severity == "error"]
    assert_equal(rows_of(settings, ROWS[:3]), catalogue)
    for number, row in enumerate(ROWS[:3]):  # and one alone
        alone = rows_of(settings, [row])
        assert (alone.ids, alone.texts) == ((str(row["id"]),), (catalogue.text[number],))
        assert alone.since[0] == catalogue.since[number]


def test_rows_equal_a_table_of_types(shop: Shop) -> None:
    frame = pl.DataFrame(
        {
            "id": [1.0, 2.0],
            "title": [["red", "shoe"], ["tea"]],
            "brand": [3.0, 2.5],
            "price": [True, False],
            "since": [datetime(2024, 1, 1, 12, tzinfo=UTC), None],
        }
    )
    frame.write_parquet(shop.folder / "items.parquet")
    settings = settings_of({"path": "items.parquet"})
    assert_equal(rows_of(settings, frame.to_dicts()), read_items(settings, shop.folder, []))


def test_numbers_that_are_times_are_read_as_the_tables(shop: Shop) -> None:
    rows: list[dict[str, object]] = [
        {"id": "a", "title": "tea", "since": 1_700_000_000},
        {"id": "b", "title": "pot", "since": None},
    ]
    pl.DataFrame(rows).write_parquet(shop.folder / "items.parquet")
    settings = settings_of({"path": "items.parquet", "categorical": [], "numeric": []})
    catalogue = read_items(settings, shop.folder, [])
    assert_equal(rows_of(settings, rows), catalogue)
    assert catalogue.since.tolist() == [1_700_000_000_000_000, UNKNOWN_TIME]


def test_text_tables_have_ids_without_a_fraction() -> None:
    row = {"id": "17850.0", "title": "tea"}
    assert rows_of(settings_of(), [row]).ids == ("17850",)
    assert rows_of(settings_of({"path": "items.parquet"}), [row]).ids == ("17850.0",)


def test_texts_that_mean_missing_are_missing() -> None:
    row = {"id": "a", "title": "n/a", "brand": "n/a", "price": "n/a"}
    known = rows_of(settings_of({"null_values": ["n/a"]}), [row])
    assert known.texts == ("",)
    assert known.titles == ("a",)
    assert known.attributes.rows() == [(None, None)]


@pytest.mark.parametrize(
    "when",
    [
        datetime(2024, 5, 31, 18, tzinfo=UTC),
        datetime(2024, 5, 31, 18),
        np.datetime64("2024-05-31T18:00:00", "us"),
        "2024-05-31 18:00:00",
        "2024-05-31T20:00:00+02:00",
        1_717_178_400,
        1_717_178_400_000.0,
        np.int64(1_717_178_400),
    ],
)
def test_times_may_be_given_in_many_ways(when: object) -> None:
    rows: list[dict[str, object]] = [
        {"id": "a", "title": "tea", "since": when},
        {"id": "b", "title": "pot", "since": date(2024, 1, 1)},
    ]
    assert rows_of(settings_of(), rows).since.tolist() == [1_717_178_400_000_000, 1_704_067_200_000_000]


def test_no_rows_are_no_items() -> None:
    nothing = rows_of(settings_of(), [])
    assert len(nothing) == len(nothing.attributes) == len(nothing.since) == 0
    assert dict(nothing.attributes.schema) == {"brand": pl.String, "price": pl.Float64}


def test_what_the_settings_do_not_name_is_left_alone() -> None:
    row = {"id": "a", "title": "tea", "colour": object(), "stock": 3}
    assert rows_of(settings_of(), [row]).texts == ("tea",)
    assert rows_of(settings_of(), [{"id": "a"}]).texts == ("",)


@pytest.mark.parametrize("keep", ["first", "last"])
def test_repeated_ids_are_settled_as_the_tables(keep: str) -> None:
    rows = [{"id": "a", "title": "one"}, {"id": "b", "title": "tea"}, {"id": "a", "title": "two"}]
    kept = rows_of(settings_of({"on_duplicate": keep}), rows)
    assert dict(zip(kept.ids, kept.texts, strict=True)) == {
        "a": "one" if keep == "first" else "two",
        "b": "tea",
    }
    again = problem_of(rows)
    assert (again.what, again.row, again.column, again.count) == ("an id occurs again", 3, "id", 1)


@pytest.mark.parametrize("missing", [None, "", float("nan")])
def test_a_row_without_an_id_is_refused(missing: object) -> None:
    problem = problem_of([{"id": "a", "title": "tea"}, {"id": missing, "title": "pot"}])
    assert (problem.what, problem.row, problem.column) == ("a row has no id", 2, "id")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("price", "cheap"),
        ("price", float("inf")),
        ("price", [1.0]),
        ("title", {"en": "tea"}),
        ("title", b"tea"),
        ("title", object()),
        ("title", "\ud800"),
        ("brand", 10**40),
        ("id", ["a"]),
        ("since", "yesterday"),
        ("since", "1850-01-01"),
        ("since", 10**30),
        ("since", [2024]),
    ],
)
def test_a_bad_value_is_named(column: str, value: object) -> None:
    sound = {"id": "a", "title": "tea", "price": 1.0}
    problem = problem_of([sound, {"id": "b", "title": "pot", "price": 2.0} | {column: value}])
    assert (problem.what, problem.row, problem.column) == ("a value cannot be used", 2, column)
    assert problem.remedy == "mend the value, or leave it out"


def test_all_bad_rows_are_listed_at_once() -> None:
    rows: list[dict[str, object]] = [
        {"id": None, "title": "a", "price": "x"},
        {"id": "b", "title": {}, "price": "y"},
    ]
    with pytest.raises(DataError) as raised:
        rows_of(settings_of(), rows)
    assert {(problem.column, problem.row, problem.count) for problem in raised.value.problems} == {
        ("id", 1, 1),
        ("title", 2, 1),
        ("price", 1, 2),
    }


def test_misspelt_columns_are_named() -> None:
    problem = problem_of([{"id": "a", "titel": "tea"}])
    assert problem.what == "no column of the row is known"
    assert problem.remedy == "did you mean 'title'?"


@given(
    st.lists(
        st.fixed_dictionaries(
            {"title": st.none() | st.text() | st.integers() | st.floats(), "price": st.none() | st.floats()}
        ),
        max_size=6,
    )
)
def test_no_row_depends_on_its_neighbours(values: list[dict[str, Any]]) -> None:
    rows = [{"id": f"i{number}", **row} for number, row in enumerate(values)]
    try:
        whole = rows_of(settings_of(), rows)
    except DataError as error:
        bad = {problem.row for problem in error.problems}
        for place in bad:
            assert place is not None
            with pytest.raises(DataError):
                rows_of(settings_of(), [rows[place - 1]])
        return
    for number, row in enumerate(rows):
        alone = rows_of(settings_of(), [row])
        assert alone.texts == whole.texts[number : number + 1]
        assert alone.attributes.equals(whole.attributes[number : number + 1])
