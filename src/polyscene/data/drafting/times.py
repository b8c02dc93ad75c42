"""Whether values are points in time, and how they are written."""

from __future__ import annotations

import re

import polars as pl

FORMATS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%dT%H:%M:%S%.f%z",
    "%Y-%m-%d %H:%M:%S%.f%z",
    "%Y-%m-%d %H:%M:%S%.f UTC",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%d-%b-%Y",
)
"""Ways to write a date that are tried, in polars' strptime words; the first that reads all values wins."""

ISO = frozenset(pattern for pattern in FORMATS[:11])
"""Formats that are read without being told."""

_EARLIEST, _LATEST = 315_532_800, 2_524_608_000  # 1980 and 2050, in seconds
_UNITS = (("s", 1), ("ms", 1_000), ("us", 1_000_000))


def text_format(values: pl.Series, most: int = 2_000) -> str | None:
    """Return the format that reads at least 99 % of the distinct texts in `values`, or None."""
    sample = values.drop_nulls().unique(maintain_order=True).head(most)
    if sample.is_empty() or not sample.head(20).str.contains(r"\d.*[-/.:].*\d").all():
        return None
    for pattern in FORMATS:
        if _parsed(sample.head(20), pattern) > 0.9 and _parsed(sample, pattern) >= 0.99:
            return pattern
    return None


def spoken(stamp: str) -> str:
    """Return a time as text without a fraction of zeros."""
    return re.sub(r"\.0+$", "", stamp)


def parse(values: pl.Series, pattern: str) -> pl.Series:
    """Read texts as times in UTC; null where a text does not follow `pattern`."""
    if "%z" in pattern:
        zoned = values.str.to_datetime(pattern, strict=False, time_unit="us")
        return zoned.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if "%H" not in pattern and "%I" not in pattern:
        return values.str.to_date(pattern, strict=False).cast(pl.Datetime("us"))
    return values.str.to_datetime(pattern, strict=False, time_unit="us")


def _parsed(sample: pl.Series, pattern: str) -> float:
    return 1.0 - parse(sample, pattern).null_count() / len(sample)


def number_unit(low: float, high: float) -> str | None:
    """Return 's', 'ms' or 'us' where whole numbers from `low` to `high` may count from 1970, or None."""
    for unit, scale in _UNITS:
        if _EARLIEST * scale <= low and high <= _LATEST * scale:
            return unit
    return None
