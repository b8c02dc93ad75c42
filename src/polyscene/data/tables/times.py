"""Times of every kind as int64: microseconds since 1970 in UTC, or sequence numbers.

How a column is understood is decided once, from a sample; then every value follows that rule, and those
that cannot are marked `IMPOSSIBLE`.
"""

from __future__ import annotations

import difflib
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import polars as pl

from polyscene.core.clock import SECOND
from polyscene.core.errors import DataError, Problem
from polyscene.core.text import shown
from polyscene.data.schema import Clock

IMPOSSIBLE = int(np.iinfo(np.int64).min) + 1
"""Marks a value that was there but is no possible time."""

LATEST = (datetime(2201, 1, 1) - datetime(1970, 1, 1)) // timedelta(microseconds=1)
_PLAUSIBLE = (315_532_800, 4_102_444_800)  # 1980 to 2100, in seconds
_UNITS: dict[str, float] = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_DAY = 86_400.0 * SECOND
_SPREADSHEET_EPOCH = (datetime(1899, 12, 30) - datetime(1970, 1, 1)) // timedelta(microseconds=1)
_COUNTS: dict[str, tuple[float, int, str]] = {
    **{name: (factor, 0, f"a number of {name} since 1970") for name, factor in _UNITS.items()},
    "days": (_DAY, 0, "a number of days since 1970"),
    "excel": (
        _DAY,
        _SPREADSHEET_EPOCH,
        "a number of days as spreadsheets count them (44667.5 is 2022-04-16 12:00)",
    ),
}
"""What numbers may count, by the word of `time_format`: microseconds a unit, where 0 lies, and in words."""
_DIGITS = {8: "%Y%m%d", 14: "%Y%m%d%H%M%S"}
_NAIVE = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d", "%Y-%m-%d %H:%M")
_AWARE = ("%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M%#z")

Written = Literal["iso", "number", "format"]


@dataclass(frozen=True, slots=True)
class TimeRule:
    """How the values of one column are understood.

    Attributes:
        clock: whether they are times or sequence numbers.
        written: as ISO 8601 texts, as numbers, or in the user's own format. Time stamp columns need none.
        per_micro: microseconds per unit, for numbers that are times.
        origin: where the numbers count from, in microseconds since 1970.
        pattern: the strptime format, for `written == "format"`.
        others: further formats, for values that the ones before do not read.
        timezone: the zone of times that name none.
    """

    clock: Clock = "time"
    written: Written = "iso"
    per_micro: float = 1.0
    origin: int = 0
    pattern: str = ""
    timezone: str = "UTC"
    others: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What a value must look like, for messages."""
        if self.clock == "sequence":
            return "a whole number"
        if self.written == "number":
            mine = (self.per_micro, self.origin)
            return next(words for *count, words in _COUNTS.values() if tuple(count) == mine) + ", before 2201"
        formats = "' or '".join((self.pattern, *self.others))
        form = f"in the format '{formats}'" if self.pattern else "such as 2024-05-31 18:00:00"
        return f"a time {form}, from 1970 to 2200"


def rule_for(
    sample: pl.Series, time_format: str | Sequence[str] | None, timezone: str, column: str
) -> TimeRule:
    """Decide how a column of times is understood.

    Args:
        sample: some of its values, raw.
        time_format: what the user said, if anything; of several formats the first that fits a value counts.
        timezone: the zone of times that name none.
        column: its name, for messages.

    Raises:
        DataError: the format or the time zone is unknown.
    """
    _check_zone(timezone, column)
    if time_format is not None and not isinstance(time_format, str):
        return _any_of(time_format, timezone, column)
    if time_format == "sequence":
        return TimeRule("sequence", "number")
    if time_format in _COUNTS:
        per_micro, origin, _ = _COUNTS[time_format]
        return TimeRule("time", "number", per_micro, origin)
    if time_format is not None:
        pattern = time_format.replace(".%f", "%.f")
        _check_pattern(pattern, column)
        return TimeRule("time", "format", pattern=pattern, timezone=timezone)
    numbers = _numbers(sample)
    if numbers is None:
        return TimeRule(timezone=timezone)
    digits = digits_pattern(numbers)
    if digits is None:
        return _guessed(numbers)
    return TimeRule("time", "format", pattern=digits, timezone=timezone)


def _any_of(time_formats: Sequence[str], timezone: str, column: str) -> TimeRule:
    patterns = [time_format.replace(".%f", "%.f") for time_format in time_formats] or [""]
    for pattern in patterns:
        _check_pattern(pattern, column)
    return TimeRule("time", "format", pattern=patterns[0], timezone=timezone, others=tuple(patterns[1:]))


def digits_pattern(numbers: pl.Series) -> str | None:
    """Return how numbers such as 20240531 write a day (or 20240531180000 a moment); None where they do not.

    All of at least two different numbers have to be days of 1980 to 2099: then they are no count.
    """
    texts = numbers.drop_nulls().unique().cast(pl.Int64, strict=False).cast(pl.String)
    if len(texts) < 2 or texts.null_count():
        return None
    for digits, pattern in _DIGITS.items():
        if (texts.str.len_chars() == digits).all():
            moments = texts.str.to_datetime(pattern, strict=False)
            return pattern if moments.dt.year().is_between(1980, 2099).fill_null(False).all() else None
    return None


def to_micros(values: pl.Series, rule: TimeRule) -> pl.Series:
    """Return values as Int64 by `rule`: null stays null, and what is no possible time is IMPOSSIBLE."""
    if isinstance(values.dtype, pl.Datetime | pl.Date):
        times = None if rule.clock == "sequence" else _stamps(values.cast(pl.Datetime("us")), rule.timezone)
        times = _aware_stamps(values) if _has_zone(values.dtype) and times is not None else times
    elif rule.written == "number":
        times = _from_numbers(values, rule)
    elif rule.written == "format" or isinstance(values.dtype, pl.String):
        times = _from_texts(_as_texts(values, rule), rule)
    else:
        times = None
    if times is None:
        times = pl.Series(values.name, [None], dtype=pl.Int64).new_from_index(0, len(values))
    if rule.clock == "time":
        times = times.set(~times.is_between(0, LATEST, closed="left"), None)
    return times.set(times.is_null() & values.is_not_null(), IMPOSSIBLE).rename(values.name)


def _as_texts(values: pl.Series, rule: TimeRule) -> pl.Series:
    """Return values as text; 20240531.0, as tables with gaps write it, is 20240531."""
    values = values.cast(pl.String)
    return values.str.replace(r"\.0+$", "") if rule.pattern in _DIGITS.values() else values


def _has_zone(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.Datetime) and dtype.time_zone is not None


def _aware_stamps(values: pl.Series) -> pl.Series:
    return values.dt.epoch("us")


def _stamps(naive: pl.Series, timezone: str) -> pl.Series:
    """Return naive local times as microseconds in UTC; null where the clocks skipped that hour."""
    if timezone != "UTC":
        naive = naive.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    return naive.dt.epoch("us")


def _from_numbers(values: pl.Series, rule: TimeRule) -> pl.Series:
    if isinstance(values.dtype, pl.String):
        whole = values.str.strip_chars().str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)
    elif values.dtype.is_integer():
        whole = values.cast(pl.Int64, strict=False)
    else:
        whole = None
    if rule.clock == "sequence":
        if whole is not None:
            return whole
        number = values.cast(pl.Float64, strict=False)
        return number.set(number != number.floor(), None).cast(pl.Int64, strict=False)
    if (
        whole is not None
        and rule.origin == 0
        and rule.per_micro in (1e6, 1e3, 1.0)
        and whole.null_count() == values.null_count()
    ):
        factor = int(rule.per_micro)
        far = ~whole.is_between(-1, LATEST // factor)
        return whole.set(far, -1) * factor
    counted = (values.cast(pl.Float64, strict=False) * rule.per_micro).round().cast(pl.Int64, strict=False)
    return counted + rule.origin


def _from_texts(texts: pl.Series, rule: TimeRule) -> pl.Series:
    """Try one format after the other, each only where the ones before left something."""
    texts = texts.str.strip_chars()
    if rule.written == "format":
        return _first_of(texts, (rule.pattern, *rule.others), rule.timezone)
    texts = texts.str.replace(r"^(\d{4}-\d\d-\d\d)[Tt]", "$1 ").str.replace(r" ?(?:UTC|GMT)$", "Z")
    return _first_of(texts, (*_NAIVE, *_AWARE), rule.timezone)


def _first_of(texts: pl.Series, patterns: Sequence[str], timezone: str) -> pl.Series:
    times = _parsed(texts, patterns[0], timezone)
    for pattern in patterns[1:]:
        left = times.is_null() & texts.is_not_null()
        if not left.any():
            break
        places = left.arg_true()
        times = times.scatter(places, _parsed(texts.gather(places), pattern, timezone))
    return times


def _parsed(texts: pl.Series, pattern: str, timezone: str) -> pl.Series:
    times = texts.str.to_datetime(pattern, time_unit="us", strict=False)
    return _aware_stamps(times) if _has_zone(times.dtype) else _stamps(times, timezone)


def _numbers(sample: pl.Series) -> pl.Series | None:
    """Return the sample as numbers where that is what most of it is."""
    sample = sample.drop_nulls()
    if sample.dtype.is_numeric():
        return sample.cast(pl.Float64)
    if not isinstance(sample.dtype, pl.String):
        return None
    numbers = sample.str.strip_chars().cast(pl.Float64, strict=False).drop_nulls()
    return numbers if 2 * len(numbers) > len(sample) else None


def _guessed(numbers: pl.Series) -> TimeRule:
    """Take numbers for an epoch where their median falls into 1980 to 2100, else for a sequence."""
    median = numbers.median()
    for factor in _UNITS.values():
        seconds = float(median) * factor / SECOND if isinstance(median, float) else 0.0
        if _PLAUSIBLE[0] <= seconds <= _PLAUSIBLE[1]:
            return TimeRule("time", "number", factor)
    return TimeRule("sequence", "number")


def _check_zone(timezone: str, column: str) -> None:
    try:
        pl.Series([datetime(2000, 1, 1)]).dt.replace_time_zone(timezone)
    except pl.exceptions.PolarsError:
        near = difflib.get_close_matches(timezone, zoneinfo.available_timezones(), n=1)
        raise DataError(
            Problem(
                "unknown time zone",
                "a name of the IANA time zone database, such as 'Europe/Berlin'",
                shown(timezone),
                f"did you mean '{near[0]}'?" if near else "set 'timezone' to such a name",
                column=column,
            )
        ) from None


def _check_pattern(pattern: str, column: str) -> None:
    """Refuse a format that does not survive a round trip of one date."""
    stamp = datetime(2020, 12, 31, 13, 59, 58, tzinfo=UTC)
    try:
        text = pl.Series([stamp]).dt.strftime(pattern)
        survived = text.str.to_datetime(pattern, strict=False).dt.date()[0] == stamp.date()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        survived = False
    if not survived:
        raise DataError(
            Problem(
                "the time format cannot be used",
                "'s', 'ms', 'us', 'ns', 'days', 'excel', 'sequence', or a format such as '%d/%m/%Y %H:%M'",
                shown(pattern),
                "mend 'time_format'; it needs at least a year, a month and a day",
                column=column,
            )
        )
