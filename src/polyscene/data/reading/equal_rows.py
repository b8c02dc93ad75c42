"""Rows of a log that say the same again: counted, and left out where that is asked for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.settings.tables import EventsSettings
from polyscene.core.types import BoolArray
from polyscene.data.tables.columns import Need
from polyscene.data.tables.repairs import weighed
from polyscene.data.tables.table import Table
from polyscene.data.tables.totals import RowLedger

_OF_THE_ENGINE = "no_item"


def once_each(
    table: Table,
    needs: Mapping[str, Need],
    events: EventsSettings,
    frame: pl.DataFrame,
    keep: BoolArray,
    problems: list[Problem],
    ledger: RowLedger | None = None,
) -> BoolArray:
    """Return which rows stay: all of them, or with `duplicates = "drop"` the first of equal ones.

    Two rows are equal where every column that is read says the same: who, what, which action, value and time.

    Args:
        table: the events.
        needs: its columns by their role.
        events: its settings.
        frame: the coded rows, in the order of the table.
        keep: (rows,) which of them are sound.
        problems: takes a warning, or what was left out; nothing with `duplicates = "keep"`.
        ledger: counts the rows.
    """
    everything = np.ones(frame.height, dtype=np.bool_)
    if events.duplicates == "keep":
        return everything
    again = _again(frame, keep)
    if not again.any():
        return everything
    dropped = events.duplicates == "drop"
    if ledger is not None and dropped:
        ledger.leave_out(int(again.sum()), asked=True)
    problems.append(_problem(table, needs, frame, again, dropped))
    return ~again if dropped else everything


def _again(frame: pl.DataFrame, keep: BoolArray) -> BoolArray:
    """Return which sound rows are equal to a sound one before them; rows are compared where hashes agree."""
    again = np.zeros(frame.height, dtype=np.bool_)
    rows = frame.select(_comparable(frame, name) for name in frame.columns if name != _OF_THE_ENGINE)
    hashes = rows.hash_rows(seed=1)
    ordered = np.sort(hashes.to_numpy()[keep])
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(repeated):
        return again
    alike = keep & hashes.is_in(pl.Series(np.unique(repeated)).implode()).to_numpy()
    among = rows.filter(pl.Series(alike)).select(pl.struct(pl.all()).is_first_distinct())
    again[alike] = ~among.to_series().to_numpy()
    return again


def _comparable(frame: pl.DataFrame, name: str) -> pl.Expr:
    listed = isinstance(frame.schema[name], pl.List)
    return pl.col(name).cast(pl.List(pl.String)).list.join("\x1f") if listed else pl.col(name)


def _problem(
    table: Table, needs: Mapping[str, Need], frame: pl.DataFrame, again: BoolArray, dropped: bool
) -> Problem:
    first = int(again.argmax())
    role = "item" if "item" in needs else "items"
    place = table.place(first, needs[role].column)
    count = int(again.sum())
    columns = ", ".join(need.column for need in needs.values())
    problem = Problem(
        "a row says the same as one before it",
        f"rows that differ in {columns}",
        f"{count:,} of {frame.height:,} rows, the first with {place.found}",
        "only the first of equal rows was kept"
        if dropped
        else 'set duplicates = "drop" to keep one of each, or "keep" where each is an event of its own',
        file=place.file,
        row=place.row,
        count=count,
        severity="repaired" if dropped else "warning",
    )
    return weighed(problem, frame.height)
