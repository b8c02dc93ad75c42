"""Times of every writing arrive as the same microseconds, and impossible ones are marked."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyscene.core.clock import SECOND
from polyscene.core.errors import DataError
from polyscene.data.tables.times import IMPOSSIBLE, rule_for, to_micros

NOON = datetime(2024, 5, 31, 12, tzinfo=UTC)
MICROS = int(NOON.timestamp()) * SECOND


def micros(values: list[Any], time_format: str | None = None, timezone: str = "UTC") -> list[int | None]:
    series = pl.Series("at", values, strict=False)
    rule = rule_for(series, time_format, timezone, "at")
    moments: list[int | None] = to_micros(series, rule).to_list()
    return moments


@pytest.mark.parametrize(
    "written",
    [
        "2024-05-31 12:00:00",
        "2024-05-31T12:00:00",
        "2024-05-31 12:00",
        "2024-05-31T12:00:00Z",
        "2024-05-31 12:00:00 UTC",
        "2024-05-31T14:00:00+02:00",
        "2024-05-31T14:00+0200",
        "2024-05-31 12:00:00.000",
        " 2024-05-31 12:00:00 ",
    ],
)
def test_iso_texts(written: str) -> None:
    assert micros([written, "2024-05-31", None]) == [MICROS, MICROS - 12 * 3600 * SECOND, None]


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_epochs_are_recognised_by_their_size(unit: int) -> None:
    number = MICROS // SECOND * unit
    assert micros([number, number]) == [MICROS, MICROS]
    assert micros([str(number), str(number)]) == [MICROS, MICROS]
    assert micros([float(number)]) == [MICROS]


def test_small_numbers_are_a_sequence() -> None:
    assert rule_for(pl.Series([0, 1, 2]), None, "UTC", "at").clock == "sequence"
    assert micros([3, 1, 2]) == [3, 1, 2]
    assert micros(["3", "1", "x"]) == [3, 1, IMPOSSIBLE]
    assert micros([1.0, 2.5]) == [1, IMPOSSIBLE]


def test_the_user_decides_what_numbers_are() -> None:
    assert micros([10, 20], "s") == [10 * SECOND, 20 * SECOND]
    assert micros([10, 20], "ms") == [10_000, 20_000]
    assert micros([10, 20], "us") == [10, 20]
    assert micros([1_717_156_800], "sequence") == [1_717_156_800]
    assert micros([1.25], "s") == [1_250_000]


def test_formats_of_the_users_own() -> None:
    assert micros(["31/05/2024 12:00", "soon"], "%d/%m/%Y %H:%M") == [MICROS, IMPOSSIBLE]
    assert micros(["31.05.2024 12:00:00.250"], "%d.%m.%Y %H:%M:%S.%f") == [MICROS + 250_000]
    assert micros([20240531], "%Y%m%d") == [MICROS - 12 * 3600 * SECOND]
    assert micros(["2024-05-31T14:00:00+0200"], "%Y-%m-%dT%H:%M:%S%z") == [MICROS]


def test_naive_times_are_local_and_aware_ones_are_not() -> None:
    values = ["2024-05-31 14:00:00", "2024-05-31T12:00:00Z"]
    assert micros(values, timezone="Europe/Berlin") == [MICROS, MICROS]
    assert micros([NOON.replace(tzinfo=None) + timedelta(hours=2)], timezone="Europe/Berlin") == [MICROS]
    assert micros([NOON], timezone="Europe/Berlin") == [MICROS]


def test_an_hour_the_clocks_skip_is_impossible_and_a_double_one_is_the_first() -> None:
    skipped, double = micros(["2021-03-28 02:30:00", "2021-10-31 02:30:00"], timezone="Europe/Berlin")
    assert skipped == IMPOSSIBLE
    assert double == int(datetime(2021, 10, 31, 0, 30, tzinfo=UTC).timestamp()) * SECOND


def test_stamps_and_days() -> None:
    assert micros([date(2024, 5, 31)]) == [MICROS - 12 * 3600 * SECOND]
    for unit in ("ms", "us", "ns"):
        stamps = pl.Series([NOON.replace(tzinfo=None)]).cast(pl.Datetime(unit))
        assert to_micros(stamps, rule_for(stamps, None, "UTC", "at")).to_list() == [MICROS]


@pytest.mark.parametrize(
    "values",
    [["1969-12-31 23:59:59"], ["2201-01-01"], ["2024-02-30"], ["yesterday"], [""], [datetime(1950, 1, 1)]],
)
def test_impossible_times(values: list[Any]) -> None:
    assert micros(values) == [IMPOSSIBLE]


def test_the_first_and_last_possible_moment() -> None:
    assert micros(["1970-01-01", "2200-12-31 23:59:59"])[0] == 0
    assert micros([-1, 10**18], "s") == [IMPOSSIBLE, IMPOSSIBLE]


def test_one_broken_value_does_not_change_how_the_others_are_understood() -> None:
    seconds = MICROS // SECOND
    assert micros([seconds, seconds, -5]) == [MICROS, MICROS, IMPOSSIBLE]


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2200, 12, 30)),
    st.integers(-14 * 60, 14 * 60),
)
def test_iso_writing_is_undone(moment: datetime, offset: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    expected = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert micros([aware.isoformat()]) == [expected]
    assert micros([aware.isoformat(" ")]) == [expected]


def test_of_several_formats_the_first_that_fits_counts() -> None:
    values = pl.Series("at", ["03.02.2021", "02/03/2021", "2021", None])
    rule = rule_for(values, ["%d.%m.%Y", "%m/%d/%Y"], "UTC", "at")
    day = (datetime(2021, 2, 3) - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    assert to_micros(values, rule).to_list() == [day, day, IMPOSSIBLE, None]
    assert "'%d.%m.%Y' or '%m/%d/%Y'" in rule.words


@pytest.mark.parametrize("formats", [[], ["%d.%m.%Y", "%H:%M"]])
def test_every_format_has_to_be_one(formats: list[str]) -> None:
    with pytest.raises(DataError, match="time format cannot be used"):
        rule_for(pl.Series(["x"]), formats, "UTC", "at")
