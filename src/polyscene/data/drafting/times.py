"""Whether values are points in time, and how they are written.

The way of writing is derived from the values themselves, whatever stands between their parts. Where the day
and the month could change places, every reading that fits is kept: who has more evidence decides, or asks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import permutations

import polars as pl

from polyscene.data.tables.times import digits_pattern

_ISO = re.compile(r"%Y-%m-%d([ T]%H:%M(:%S(%\.f)?)?( ?(Z|UTC|GMT|%z))?)?")
_CLOCK = re.compile(r"(?<!\d)\d{1,2}:\d{2}(:\d{2})?(\.\d+)?(\s?[AaPp][Mm]\b)?")
_ZONE = re.compile(r"(\s?)([+-]\d{2}:?\d{2}|Z|UTC|GMT)\b")
_DATE_PIECES = re.compile(r"\d+|[A-Za-z]+|.", re.DOTALL)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_YEARS = (1800, 2200)
_LOOKED_AT, _SHAPES_FROM, _MAX_CHARS = 20_000, 20, 50
_READ = 0.99
_MAX_TOGETHER, _MIN_TOGETHER = 3, 0.02
"""Ways of writing in one column: so many at most, each of so large a share."""
"""The share of values that a way of writing has to read."""

_EARLIEST, _LATEST = 315_532_800, 2_524_608_000  # 1980 and 2050, in seconds
_UNITS = (("s", 1), ("ms", 1_000), ("us", 1_000_000), ("ns", 1_000_000_000))
_SPREADSHEET_DAYS = (32_874, 54_789)  # 1990 to 2050
_DAYS_SINCE_1970 = (7_305, 23_741)  # 1990 to 2035
_ORDERED, _APART, _MIN_STEPS = 0.98, 0.03, 8
"""The share of steps forward in a log that stands in order, and how far below any other reading lies."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way in which texts can be read as times: a strptime format, and the share of values it reads."""

    pattern: str
    share: float


def readings(values: pl.Series) -> tuple[Reading, ...]:
    """Return the formats that read at least 99 % of the distinct texts, best first."""
    sample = values.drop_nulls().str.strip_chars().unique(maintain_order=True).head(_LOOKED_AT)
    few = sample.head(_SHAPES_FROM).filter(sample.head(_SHAPES_FROM).str.len_chars() <= _MAX_CHARS)
    if few.is_empty() or not few.str.contains(r"\d\D.*\d").all():
        return ()
    patterns = dict.fromkeys(pattern for text in few.to_list() for pattern in patterns_of(text))
    read = [Reading(pattern, _share_read(few, pattern)) for pattern in patterns]
    read = [Reading(r.pattern, _share_read(sample, r.pattern)) for r in read if r.share > 0.9]
    return tuple(sorted((r for r in read if r.share >= _READ), key=lambda r: -r.share))


def readings_together(values: pl.Series) -> tuple[Reading, ...]:
    """Return formats that together read at least 99 % of the distinct texts, where no single one does.

    Each reads some that those before it do not; the shares are of all texts.
    """
    sample = values.drop_nulls().str.strip_chars().unique(maintain_order=True).head(_LOOKED_AT)
    few = sample.gather_every(max(1, len(sample) // _SHAPES_FROM))
    if few.is_empty() or not few.str.contains(r"^\D{0,12}\d.{2,48}$").all():
        return ()
    patterns = list(dict.fromkeys(pattern for text in few.to_list() for pattern in patterns_of(text)))
    chosen: list[Reading] = []
    left = sample
    while patterns and len(chosen) < _MAX_TOGETHER and len(left) > (1 - _READ) * len(sample):
        best = max(patterns, key=lambda pattern: _share_read(left, pattern))
        unread = left.filter(parse(left, best).is_null())
        chosen.append(Reading(best, _share_read(sample, best)))
        if len(left) - len(unread) < _MIN_TOGETHER * len(sample):
            return ()
        left = unread
    return tuple(chosen) if len(left) <= (1 - _READ) * len(sample) else ()


def either_way(values: pl.Series, patterns: Sequence[str]) -> float:
    """Return the share of the distinct texts that several formats read, as different times."""
    sample = values.drop_nulls().unique().head(_LOOKED_AT)
    read = [parse(sample, pattern) for pattern in patterns]
    first = read[0]
    for times in read[1:]:
        first = first.zip_with(first.is_not_null(), times)
    differing = pl.Series([False]).new_from_index(0, len(sample))
    for times in read:
        differing = differing | (times.is_not_null() & (times != first)).fill_null(False)
    return int(differing.sum()) / len(sample) if len(sample) else 0.0


def patterns_of(text: str) -> list[str]:
    """Return the strptime formats in which `text` could be written; empty where it is no date."""
    clock = _CLOCK.search(text)
    if clock is None:
        return _date_patterns(text)
    before, after = text[: clock.start()], text[clock.end() :]
    zone = _ZONE.match(after)
    end = ""
    if zone is not None:
        after = after[zone.end() :]
        end = zone[1] + ("%z" if zone[2][0] in "+-" else zone[2])
    written = clock_pattern(clock) + end
    return [date.replace("\0", written) for date in _date_patterns(before + "\0" + after)]


def clock_pattern(clock: re.Match[str]) -> str:
    """Return how a time of day is written: '%H:%M', '%I:%M:%S %p' and the like."""
    half = clock[3] or ""
    seconds = ":%S" if clock[1] else ""
    fraction = "%.f" if clock[2] else ""
    space = " " if half[:1].isspace() else ""
    return ("%I:%M" if half else "%H:%M") + seconds + fraction + (space + "%p" if half else "")


def time_of_day(values: pl.Series) -> str | None:
    """Return how texts write a time of day without a day, or None where they do not."""
    few = values.drop_nulls().str.strip_chars().unique(maintain_order=True).head(200)
    clocks = [_CLOCK.fullmatch(text) for text in few.to_list()]
    patterns = {clock_pattern(clock) for clock in clocks if clock is not None}
    return patterns.pop() if clocks and None not in clocks and len(patterns) == 1 else None


def _date_patterns(text: str) -> list[str]:
    pieces = _DATE_PIECES.findall(text)
    named = [_named(piece) for piece in pieces]
    if any(name is None for name in named) or sum(piece.isdigit() for piece in pieces) > 3:
        return []
    numbers = [place for place, piece in enumerate(pieces) if piece.isdigit()]
    month_named = any(name in ("%b", "%B") for name in named)
    if not month_named and len(numbers) == 3 and not _parts_a_date(pieces, numbers):
        return []
    patterns = []
    for codes in _numeric_codes([pieces[place] for place in numbers], month_named):
        parts = [str(name) for name in named]
        for place, code in zip(numbers, codes, strict=True):
            parts[place] = code
        patterns.append("".join(parts))
    return patterns


def _parts_a_date(pieces: list[str], numbers: list[int]) -> bool:
    """Return whether what stands between three numbers makes them a date rather than a list."""
    first, second, third = numbers
    between = ("".join(pieces[first + 1 : second]), "".join(pieces[second + 1 : third]))
    return between in (("-", "-"), ("/", "/"), (".", "."), (" ", ", "), ("年", "月")) and first == 0


def _named(piece: str) -> str | None:
    """Return a piece of a date as a format writes it; None for a word that no date holds."""
    lower = piece.lower()
    if not piece.isalpha() or lower == "t" or piece in "年月日":
        return piece.replace("%", "%%")
    if lower[:3] in _DAYS and (len(lower) == 3 or lower.endswith("day")):
        return "%a" if len(lower) == 3 else "%A"
    if lower[:3] in _MONTHS:
        return "%b" if len(lower) == 3 else "%B"
    return None


def _numeric_codes(numbers: list[str], month_named: bool) -> list[tuple[str, ...]]:
    """Return which number may be the year, the month, the day."""
    lengths = [len(number) for number in numbers]
    if lengths == [8] and not month_named:
        return [("%Y%m%d",)]
    if len(numbers) != (2 if month_named else 3) or any(length not in (1, 2, 4) for length in lengths):
        return []
    if lengths[0] == 4:
        return [("%Y", "%d")] if month_named else [("%Y", "%m", "%d")]
    wanted = ("%d", "%Y") if month_named else ("%d", "%m", "%Y")
    if 4 in lengths:
        return [codes for codes in permutations(wanted) if lengths[codes.index("%Y")] == 4]
    short = tuple(code.replace("Y", "y") for code in wanted)
    last = [codes for codes in permutations(short) if codes[-1] == "%y"]
    return [*last, ("%y", "%d") if month_named else ("%y", "%m", "%d")]


def is_iso(pattern: str | None) -> bool:
    """Return whether times written so are read without being told how."""
    return pattern is not None and _ISO.fullmatch(pattern) is not None


def spoken(stamp: str) -> str:
    """Return a time as text without a fraction of zeros."""
    return re.sub(r"\.0+$", "", stamp)


def parse(values: pl.Series, pattern: str) -> pl.Series:
    """Read texts as times in UTC; null where a text does not follow `pattern` or names no likely year."""
    times = values.str.strip_chars().str.to_datetime(pattern, strict=False, time_unit="us")
    if "%z" in pattern:
        times = times.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return times.set(~times.dt.year().is_between(*_YEARS), None)


def before_1970(values: pl.Series, pattern: str | None) -> bool:
    """Return whether some of the times lie before 1970, where no event and no item can be."""
    if isinstance(values.dtype, pl.String):
        values = parse(values, pattern) if pattern else values.clear()
    return isinstance(values.dtype, pl.Date | pl.Datetime) and bool((values.dt.year() < 1970).any())


def _share_read(sample: pl.Series, pattern: str) -> float:
    return 1.0 - parse(sample, pattern).null_count() / len(sample)


def by_order(values: pl.Series, who: pl.Series | None, patterns: tuple[str, ...]) -> str | None:
    """Return the one format under which the rows stand in order; None where that does not tell.

    Args:
        values: the texts, in the order of the file.
        who: whose row it is; then the rows of one user after the other may be in order as well.
        patterns: the formats to choose from.
    """
    scores = {pattern: _in_order(parse(values, pattern), who) for pattern in patterns}
    best = max(scores, key=lambda pattern: scores[pattern])
    others = [score for pattern, score in scores.items() if pattern != best]
    return best if scores[best] >= _ORDERED and max(others, default=0.0) <= scores[best] - _APART else None


def _in_order(times: pl.Series, who: pl.Series | None) -> float:
    frame = pl.DataFrame({"step": times.diff(), "same": True if who is None else who == who.shift()})
    shares = [0.0]
    for steps in (frame["step"], frame.filter("same")["step"]):
        signs = steps.drop_nulls().dt.total_microseconds().sign()
        moved = signs.filter(signs != 0)
        if len(moved) >= _MIN_STEPS:
            forward = int((moved > 0).sum()) / len(moved)
            shares.append(max(forward, 1.0 - forward))
    return max(shares)


def span(values: pl.Series, pattern: str) -> float:
    """Return how many days lie between the first and the last time."""
    times = parse(values, pattern).drop_nulls()
    first, last = times.min(), times.max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return float("inf")
    return (last - first).total_seconds() / 86_400


def number_unit(numbers: pl.Series, named: bool) -> str | None:
    """Return what numbers count since 1970, or how they write a day, as `time_format` says it; or None.

    Args:
        numbers: present numbers.
        named: whether the column's name speaks of a time: only then are small numbers taken for days.
    """
    for unit, scale in _UNITS:
        if _within(numbers, _EARLIEST * scale, _LATEST * scale):
            return unit
    pattern = digits_pattern(numbers) if named or numbers.n_unique() > 20 else None
    if pattern is not None or not named:
        return pattern
    if _within(numbers, *_SPREADSHEET_DAYS):
        return "excel"
    return "days" if _within(numbers, *_DAYS_SINCE_1970) and _is_whole(numbers) else None


def _within(numbers: pl.Series, low: float, high: float) -> bool:
    return int(numbers.is_between(low, high).sum()) >= _READ * len(numbers)


def _is_whole(numbers: pl.Series) -> bool:
    return bool((numbers == numbers.round()).all())
