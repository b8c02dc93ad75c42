"""Long tables: a row per property of a thing, read as one row per thing, the latest value of each property.

Only the properties that something asks for become columns, so that a thousand others cost one pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.settings.tables import PivotSettings, TableSettings
from polyscene.core.text import shown
from polyscene.data.tables.added import matching
from polyscene.data.tables.columns import Need
from polyscene.data.tables.repairs import weighed
from polyscene.data.tables.table import MadeOf, OpenFile, Table
from polyscene.data.tables.times import IMPOSSIBLE, rule_for

_ID, _NAME, _VALUE, _TIME, _PLACE = "#id", "#name", "#value", "#time", "#place"


@dataclass(frozen=True)
class Pivoted:
    """A long table as one row per thing.

    Attributes:
        file: the rows, as if they were one file's.
        problems: what is wrong with rows.
    """

    file: OpenFile
    problems: tuple[Problem, ...]


def long_settings(settings: TableSettings) -> TableSettings:
    """Return how the rows of a long table are read; what speaks of its properties comes after them."""
    return settings.model_copy(
        update={"pivot": None, "where": None, "one_hot": {}, "join": [], "decimal": "."}
    )


def long_needs(pivot: PivotSettings) -> list[Need]:
    """Return the columns that a long table must have."""
    needs = [Need("pivot.on", pivot.on, "id"), Need("pivot.name", pivot.name, "text")]
    needs += [Need("pivot.value", pivot.value, "raw")]
    return needs if pivot.time is None else [*needs, Need("pivot.time", pivot.time, "time")]


def pivoted(long: Table, pivot: PivotSettings, wanted: Sequence[str]) -> Pivoted:
    """Return one row per thing, in the order in which things are met first.

    Args:
        long: the table, a row per property.
        pivot: which columns hold what.
        wanted: the properties that become columns; those that the table does not have are left out.
    """
    rows = long.rows(_timed(long, pivot)).select(_columns(pivot)).with_row_index(_PLACE)
    sound = pl.col(_ID).is_not_null() & pl.col(_NAME).is_not_null()
    timeless = sound & (pl.col(_TIME).is_null() | (pl.col(_TIME) == IMPOSSIBLE))
    looks = {"rows": pl.len(), "nameless": (~sound).sum(), "timeless": timeless.sum()}
    counts = long.collect(rows.select(look.alias(name) for name, look in looks.items())).row(0)
    rows = rows.filter(sound)
    names = long.collect(rows.select(pl.col(_NAME).unique())).to_series().sort().to_list()
    properties = dict.fromkeys(
        (name for name in names if name != pivot.on), long.files[0].schema[pivot.value]
    )
    frame = _latest(long, rows, matching(wanted, properties)).rename({_ID: pivot.on})
    source, own = long.files[0].source, tuple(frame.columns)
    return Pivoted(
        OpenFile(
            source,
            frame.lazy(),
            {pivot.on: pl.String(), **properties},
            own=own,
            made=MadeOf(counts[0], counts[1]),
        ),
        tuple(_problems(long, pivot, *counts)),
    )


def _timed(long: Table, pivot: PivotSettings) -> list[Need]:
    needs = long_needs(pivot)
    if pivot.time is not None:
        rule = rule_for(long.sample(pivot.time), pivot.time_format, "UTC", pivot.time)
        needs[-1] = replace(needs[-1], rule=rule)
    return needs


def _columns(pivot: PivotSettings) -> list[pl.Expr]:
    key, name, value, *time = long_needs(pivot)
    when = pl.col(time[0].alias) if time else pl.lit(0, pl.Int64)
    columns = {_ID: pl.col(key.alias), _NAME: pl.col(name.alias), _VALUE: pl.col(value.alias), _TIME: when}
    return [column.alias(alias) for alias, column in columns.items()]


def _latest(long: Table, rows: pl.LazyFrame, names: Sequence[str]) -> pl.DataFrame:
    """Return the ids, beside each its last value of every named property; at one moment the last row's."""
    things = long.collect(rows.group_by(_ID).agg(pl.col(_PLACE).min()).sort(_PLACE).select(_ID))
    known = rows.filter(pl.col(_NAME).is_in(list(names))).select(
        _ID, _NAME, _VALUE, pl.col(_TIME).fill_null(IMPOSSIBLE), _PLACE
    )
    values = long.collect(known.group_by(_ID, _NAME).agg(pl.col(_VALUE).sort_by(_TIME, _PLACE).last()))
    for name in names:
        column = values.filter(pl.col(_NAME) == name).select(_ID, pl.col(_VALUE).alias(name))
        things = things.join(column, on=_ID, how="left", maintain_order="left")
    return things


def _problems(long: Table, pivot: PivotSettings, rows: int, nameless: int, timeless: int) -> list[Problem]:
    problems = []
    if nameless:
        problem = Problem(
            "a row of a long table has no id or names no property",
            f"an id in {shown(pivot.on, 60)} and a name in {shown(pivot.name, 60)}",
            f"{nameless:,} of {rows:,} rows",
            "such rows were left out",
            file=long.name,
            count=nameless,
            severity="repaired",
        )
        problems.append(weighed(problem, rows))
    if timeless:
        problems.append(
            Problem(
                "an impossible time of a property",
                "a time, so that the latest value counts",
                f"{timeless:,} of {rows:,} rows",
                "mend it, or set 'time_format' in 'pivot'; such a value counts as the oldest",
                file=long.name,
                column=pivot.time,
                count=timeless,
                severity="warning",
            )
        )
    return problems
