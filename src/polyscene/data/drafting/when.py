"""Guesses about when an event happened: which column says it, and how it is written."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import polars as pl

from polyscene.core.text import shown
from polyscene.data.drafting import times
from polyscene.data.drafting.columns import Column
from polyscene.data.drafting.draft import Guess, Value
from polyscene.data.drafting.evidence import determines
from polyscene.data.drafting.names import hint
from polyscene.data.drafting.tables import Table

_WORDS = {
    "s": "seconds since 1970",
    "ms": "milliseconds since 1970",
    "us": "microseconds since 1970",
    "ns": "nanoseconds since 1970",
    "excel": "days as spreadsheets count them",
    "days": "days since 1970, perhaps",
}
_UNDECIDED = 0.45
_UNNAMED = 0.25
"""What it adds that all numbers of a column without a name of its own are moments of the last decades."""
_ODD_KINDS = ("text", "number", "empty", "other")
_MAX_DIFFERENT = 200_000


@dataclass(frozen=True)
class When:
    """What says when.

    Attributes:
        guesses: `time`, and `time_format` where it has to be said.
        columns: the columns that were used.
        unread: the share of rows whose time cannot be read.
    """

    guesses: dict[str, Guess]
    columns: tuple[str, ...] = ()
    unread: float = 0.0


def guess_time(table: Table, used: Collection[str], who: Sequence[str]) -> When | None:
    """Guess which column says when; None where no column holds times.

    Args:
        table: the events.
        used: columns that say something else.
        who: the column of the user; a second one names the scenario.
    """
    scored = sorted(
        ((_score(column), column) for name, column in table.columns.items() if name not in used),
        key=lambda pair: -pair[0],
    )
    scored = [(score, column) for score, column in scored if score >= 0.4]
    if not scored:
        return None
    score, column = scored[0]
    instead = tuple(other.name for _, other in scored[1:3])
    clock = _clock_beside(column, table, used)
    written = written_as(table, column, who[0], clock)
    value: Value = column.name if clock is None else (column.name, clock.name)
    why = _why(column) if clock is None else f"a day such as {column.examples(1)}, and a time of day"
    guesses = {"time": Guess(value, score, why, instead)}
    if written is not None:
        guesses["time_format"] = written
    names = (column.name,) if clock is None else (column.name, clock.name)
    return When(guesses, names, max(column.unread, 1.0 - column.filled))


def _score(column: Column) -> float:
    if column.filled < 0.3 or len(column.distinct) < 2:
        return 0.0
    named = hint(column.name, "time")
    doubt = 0.15 * bool(column.rivals) + 0.1 * (1.0 - column.filled)
    if column.kind == "time":
        return 0.75 + 0.23 * named - doubt
    if column.unit is None or column.kind != "number":
        return 0.0
    if column.unit == "days" or (column.unit == "excel" and column.whole):
        return _UNDECIDED
    unnamed = _UNNAMED * (column.says_nothing and column.unit in _WORDS)
    return 0.4 + max(0.55 * named, unnamed) - doubt


def _why(column: Column) -> str:
    if column.unit is None or column.unit not in _WORDS:
        return f"times such as {column.examples(1)}"
    return f"{_WORDS[column.unit]}, such as {column.examples(1)}"


def _clock_beside(column: Column, table: Table, used: Collection[str]) -> Column | None:
    """Return the column with the time of day, where `column` holds days alone."""
    pattern = column.time_format or ("%Y-%m-%d" if column.values.dtype == pl.Date else None)
    if pattern is None or column.kind != "time" or "%H" in pattern or "%I" in pattern:
        return None
    clocks = [
        other
        for name, other in table.columns.items()
        if other.clock and name not in used and other.filled >= column.filled - 0.01
    ]
    return max(clocks, key=lambda other: hint(other.name, "time"), default=None)


def written_as(table: Table, column: Column, user: str | None, clock: Column | None = None) -> Guess | None:
    """Guess how a column writes its times; None where they are read without being told.

    Where days and months could change places, the whole table is asked, then the order of its rows; where
    neither tells, the guess is to be decided.
    """
    if column.unit is not None:
        sure = _score(column)
        return Guess(column.unit, max(sure, 0.4), _WORDS.get(column.unit, "how it is written"))
    if column.time_format is None:
        return None
    if column.also:
        return _several(column)
    tail = f" {clock.clock}" if clock is not None else ""
    guess = _told_apart(table, column, user) if column.rivals else None
    if guess is None:
        whole = column.time_format + tail
        return None if times.is_iso(whole) else Guess(whole, 0.98 - column.unread, "how it is written")
    others = tuple(other + tail for other in guess.instead)
    return replace(guess, value=str(guess.value) + tail, instead=others)


def _several(column: Column) -> Guess:
    """Guess how times are read that are written in several ways: by the first that fits each."""
    patterns = (str(column.time_format), *column.also)
    both = times.either_way(column.text, patterns)
    if not both:
        return Guess(patterns, 0.85, "written in several ways; the first that fits a value counts")
    why = f"written in several ways, and {both:.0%} of the values can be read in more than one: write it anew"
    return Guess(patterns, _UNDECIDED - 0.1, why)


def _told_apart(table: Table, column: Column, user: str | None) -> Guess:
    patterns = (str(column.time_format), *column.rivals)
    if not table.complete:
        different = pl.Series(table.distinct(column.name, _MAX_DIFFERENT), dtype=pl.String)
        unread = {pattern: times.parse(different, pattern).null_count() for pattern in patterns}
        patterns = tuple(pattern for pattern in patterns if unread[pattern] == min(unread.values()))
        if len(patterns) == 1:
            return Guess(patterns[0], 0.95, "a value further down tells the day from the month")
    who = None if user is None else table.sample[user]
    ordered = times.by_order(column.text, who, patterns)
    if ordered is not None:
        others = tuple(pattern for pattern in patterns if pattern != ordered)
        return Guess(ordered, 0.75, "read so, the rows stand in order of time", others)
    best = min(patterns, key=lambda pattern: times.span(column.text, pattern))
    others = tuple(pattern for pattern in patterns if pattern != best)
    why = f"no value tells the day from the month: {column.examples(2)} could be either"
    return Guess(best, _UNDECIDED, why, others)


def sequence(table: Table, used: Collection[str], who: Sequence[str]) -> When | None:
    """Return a column that numbers the events of each user: 0, 1, 2 and so on."""
    best: tuple[float, Column] | None = None
    for name, column in table.columns.items():
        whole = column.whole or column.kind == "flag"
        if name in used or column.kind not in ("number", "flag") or not whole:
            continue
        named = hint(name, "sequence")
        if hint(name, "value") and not named:  # grades from 1 to 5 may run without gap by chance
            continue
        ties = named > 0 and _numbers_visits(table, name, who)
        score = 0.65 * _consecutive(table.sample, name, who, ties) + 0.3 * named
        if column.kind == "number" and not hint(name, "value"):
            score = max(score, 0.55 * hint(name, "time") - 0.1)
        if score > _UNDECIDED - 0.1 and (best is None or score > best[0]):
            best = (score, column)
    if best is None or (best[0] <= _UNDECIDED and not hint(best[1].name, "time")):
        return None
    score, column = best
    if score <= 0.55 and hint(column.name, "time"):
        why = f"named like a time, but {column.examples(2)} are no times that are known; taken as an order"
        guess, form = Guess(column.name, _UNDECIDED, why), Guess("sequence", _UNDECIDED, "an order, no times")
        return When({"time": guess, "time_format": form}, (column.name,))
    sure = min(0.97, score + 0.05)
    why = "numbers that order a user's events, not points in time"
    form = Guess("sequence", sure, "how it is written")
    return When({"time": Guess(column.name, sure, why), "time_format": form}, (column.name,))


def _numbers_visits(table: Table, name: str, who: Sequence[str]) -> bool:
    """Return whether a column is the same in all rows of one order or visit, whose id stands beside it."""
    visits = [
        c.name for c in table.columns.values() if hint(c.name, "session") and c.name not in {name, *who}
    ]
    return any(determines(table.sample, visit, name) > 0.99 for visit in visits)


def _consecutive(sample: pl.DataFrame, name: str, who: Sequence[str], ties: bool) -> float:
    """Return the share of users (with two events or more) whose numbers run without gap from 0 or 1.

    With `ties` several events may share a number, as the goods of one order do.
    """
    number = pl.col(name).cast(pl.Float64, strict=False)
    runs = (
        sample.filter(pl.col(who[0]).is_not_null())
        .group_by(list(who))
        .agg(
            number.min().alias("low"),
            number.max().alias("high"),
            number.n_unique().alias("n"),
            pl.len().alias("rows"),
        )
        .filter(pl.col("n" if ties else "rows") > 1)
    )
    if runs.is_empty():
        return 0.0
    whole = pl.col("high") - pl.col("low") == pl.col("n") - 1
    whole = whole if ties else whole & (pl.col("n") == pl.col("rows"))
    return float(runs.select((whole & pl.col("low").is_in([0.0, 1.0])).mean()).item() or 0.0)


def not_understood(table: Table, used: Collection[str]) -> tuple[str, ...]:
    """Return what to ask about a column that is named like a time but holds none; empty without one."""
    named = [
        column
        for name, column in table.columns.items()
        if name not in used
        and hint(name, "time") >= 0.6
        and column.kind in ("text", "number", "empty", "other")
    ]
    if not named:
        return ()
    column = max(named, key=lambda column: hint(column.name, "time"))
    examples = column.examples(3) or "nothing"
    return (
        f"{shown(column.name, 40)} is named like a time, but its values were not understood: {examples}",
        f"if they are times, say how they are written: time = {column.name!r}, time_format = '%d/%m/%Y'",
    )
