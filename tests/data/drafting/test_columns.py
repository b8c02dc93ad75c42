"""What columns look like from their values alone."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from polyscene.data.drafting.columns import profile, split_text
from polyscene.data.drafting.evidence import determines, looks_split, many_labels


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["0104257", "0002844"], "text"),
        (["17850.0", "12583.0"], "number"),
        (["0", "1", "1"], "flag"),
        ([True, False], "flag"),
        (["2020-01-02", "2021-03-04"], "time"),
        ([datetime(2020, 1, 2)], "time"),
        ([[1, 2], [3]], "list"),
        ([{"a": 1}], "other"),
        (["", "  "], "empty"),
        (["nan", "inf"], "text"),
    ],
)
def test_kinds(values: list[object], kind: str) -> None:
    assert profile(pl.Series("column", values)).kind == kind


@pytest.mark.parametrize(
    ("text", "time_format"),
    [
        ("2010-12-01 08:26:00", None),
        ("2010-12-01T08:26:00.125Z", None),
        ("2010-12-01 08:26:00.125+00:00", None),
        ("31/12/2010 08:26", "%d/%m/%Y %H:%M"),
        ("12/31/2010 8:26:00 AM", "%m/%d/%Y %I:%M:%S %p"),
        ("31.12.2010", "%d.%m.%Y"),
    ],
)
def test_formats_of_times_are_told_only_where_they_have_to_be(text: str, time_format: str | None) -> None:
    column = profile(pl.Series("when", [text]))
    assert column.kind == "time"
    assert column.told_format == time_format


def test_day_and_month_are_told_apart_by_all_values() -> None:
    column = profile(pl.Series("when", ["01/02/2020", "01/25/2020", "02/03/2020"]))
    assert column.told_format == "%m/%d/%Y"


@pytest.mark.parametrize(("first", "unit"), [(1_600_000_000, "s"), (1_600_000_000_000, "ms"), (17, None)])
def test_numbers_since_1970(first: int, unit: str | None) -> None:
    assert profile(pl.Series("at", [first, first + 60])).unit == unit


def test_a_few_texts_among_numbers_are_strays() -> None:
    column = profile(pl.Series("year", [str(1900 + number % 100) for number in range(200)] + ["V"]))
    assert (column.kind, column.strays) == ("number", ("V",))
    assert profile(pl.Series("size", ["1", "2", "large"])).kind == "text"


@pytest.mark.parametrize("text", ["4 17 9", "4,17, 9", "[4, 17, 9]", '["4", "17", "9"]'])
def test_lists_written_as_text(text: str) -> None:
    assert split_text(pl.Series([text])).to_list() == [["4", "17", "9"]]
    assert looks_split(profile(pl.Series("items", [text, text.replace("4", "5")])))


def test_plain_sentences_are_no_lists() -> None:
    assert not looks_split(profile(pl.Series("title", ["The night lamp", "A cold river"])))


def test_words_and_repeats_are_counted() -> None:
    column = profile(pl.Series("title", ["a b c", "d", "d", None]))
    assert column.words == 2.0
    assert column.repeat == 1.5
    assert column.filled == 0.75


def test_labels_of_a_small_set() -> None:
    kinds = ["Drama", "War", "Comedy", "Crime"]
    pairs = [f"{left}|{right}" for left in kinds for right in kinds]
    assert many_labels(profile(pl.Series("genres", pairs)))
    assert not many_labels(profile(pl.Series("title", ["Night", "River", "Lamp"])))


def test_what_fixes_what() -> None:
    table = pl.DataFrame(
        {"id": [1, 1, 2, 2, 3, 3], "name": ["a", "a", "b", "b", "c", "c"], "day": [1, 2, 3, 4, 5, 6]}
    )
    assert determines(table, "id", "name") == 1.0
    assert determines(table, "id", "day") < 0.5
    assert determines(table.with_columns(same=pl.lit("x")), "id", "same") == 0.0
