"""Tables with a row per property of a thing, told by their columns and seen as one row per thing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import polars as pl

from polyscene.core.settings.tables import PivotSettings
from polyscene.data.drafting.columns import Column, as_ids
from polyscene.data.drafting.dialects import size
from polyscene.data.drafting.names import has_id_word, hint, tokens
from polyscene.data.drafting.tables import FULL_SCAN_BYTES, Table

_NAMES = frozenset(
    {"property", "attribute", "attr", "prop", "feature", "field", "key", "variable", "trait", "name"}
)
_VALUES = frozenset({"value", "val", "content"})
_MAX_COLUMNS = 5
_MIN_REPEAT = 1.5
"""Rows per thing, and rows per property, from which on a table may be long."""
_MAX_PROPERTIES, _MIN_SHARE = 30, 0.1
"""Properties that become columns: so many, each of at least this share of the things."""
_READ_BYTES = 4 * FULL_SCAN_BYTES
_REASON = "a row per property: the latest value of each counts"


def one_row_each(table: Table) -> Table:
    """Return a table as one row per thing where it has a row per property; any other as it is."""
    pivot = _pivot(table)
    if pivot is None:
        return table
    whole = pl.concat(list(_whole(table, pivot))).collect()
    sample = _things(whole, pivot)
    if sample.width < 2:
        return table
    settings = table.settings.model_copy(update={"pivot": pivot})
    reasons = {**table.reasons, "pivot": _REASON}
    complete = table.complete or _is_readable(table)
    return replace(table, settings=settings, sample=sample, reasons=reasons, complete=complete)


def _pivot(table: Table) -> PivotSettings | None:
    columns = table.columns
    if not 3 <= len(columns) <= _MAX_COLUMNS or table.part is not None:
        return None
    named = [c for c in columns.values() if _names_properties(c)]
    values = [c for c in columns.values() if _VALUES & set(tokens(c.name)) and not has_id_word(c.name)]
    things = [c for c in columns.values() if c not in named and _is_thing(c)]
    if len(named) != 1 or len(values) != 1 or len(things) != 1:
        return None
    rest = [c for c in columns.values() if c not in (*named, *values, *things)]
    times = [c for c in rest if c.kind == "time" or c.unit is not None or hint(c.name, "time") >= 0.8]
    if len(times) < len(rest) or len(rest) > 1:
        return None
    parts: dict[str, Any] = {"on": things[0].name, "name": named[0].name, "value": values[0].name}
    if times:
        parts |= {"time": times[0].name, "time_format": times[0].told_format}
    return PivotSettings(**parts)


def _names_properties(column: Column) -> bool:
    named = bool(_NAMES & set(tokens(column.name))) and not has_id_word(column.name)
    return named and column.repeat >= _MIN_REPEAT and len(column.distinct) > 1


def _is_thing(column: Column) -> bool:
    if not column.is_code or column.unit is not None or not has_id_word(column.name):
        return False
    return column.repeat >= _MIN_REPEAT and max(hint(column.name, "item"), hint(column.name, "user")) > 0


def _is_readable(table: Table) -> bool:
    return sum(size(source) for source in table.sources) <= _READ_BYTES


def _whole(table: Table, pivot: PivotSettings) -> Iterator[pl.LazyFrame]:
    names = [name for name in (pivot.on, pivot.name, pivot.value, pivot.time) if name is not None]
    frames = table._frames if not table.complete and _is_readable(table) else [table.sample.lazy()]
    for frame in frames:
        yield frame.select(names)


def _things(rows: pl.DataFrame, pivot: PivotSettings) -> pl.DataFrame:
    """Return one row per thing with the properties that enough of them have."""
    rows = rows.with_columns(as_ids(rows[pivot.on].cast(pl.String, strict=False)).alias(pivot.on))
    rows = rows.filter(pl.col(pivot.on).is_not_null() & pl.col(pivot.name).is_not_null())
    counts = rows.group_by(pivot.name).agg(pl.col(pivot.on).n_unique().alias("things"))
    enough = counts.filter(pl.col("things") >= _MIN_SHARE * rows[pivot.on].n_unique())
    names = enough.sort("things", pivot.name, descending=[True, False]).head(_MAX_PROPERTIES)[pivot.name]
    ordered = rows if pivot.time is None else rows.sort(pivot.time, maintain_order=True)
    things = rows.select(pl.col(pivot.on).unique(maintain_order=True))
    for name in names.cast(pl.String).to_list():
        if name == pivot.on:
            continue
        mine = ordered.filter(pl.col(pivot.name).cast(pl.String) == name).group_by(pivot.on)
        column = mine.agg(pl.col(pivot.value).last().alias(name))
        things = things.join(column, on=pivot.on, how="left", maintain_order="left")
    return things
