"""Rows of a table of links that cannot be used: each left out for one reason, counted and named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from polyscene.core.errors import Problem
from polyscene.data.tables.columns import Need
from polyscene.data.tables.repairs import weighed
from polyscene.data.tables.table import Table
from polyscene.data.tables.totals import RowLedger

PLACE = "#place"
"""A column with the position of a row among those that the table gives."""


@dataclass(frozen=True, slots=True)
class RowFault:
    """One way in which rows cannot be used.

    Attributes:
        bad: which rows; null is no.
        column: the column that is named in the message.
        what, expected, remedy: the words of the problem.
        asked: whether such rows are left out, as the settings say or since nothing is lost; else an error.
    """

    bad: pl.Expr
    column: str
    what: str
    expected: str
    remedy: str
    asked: bool


def placed_rows(table: Table, needs: Sequence[Need]) -> pl.DataFrame:
    """Return all rows with the converted columns and their positions."""
    return table.collect(table.rows(needs).with_row_index(PLACE))


def without_faults(
    table: Table,
    frame: pl.DataFrame,
    faults: Sequence[RowFault],
    problems: list[Problem],
    ledger: RowLedger | None,
) -> pl.DataFrame:
    """Return the rows without a fault; of a row with several the first counts.

    Args:
        table: where the rows are from.
        frame: from `placed_rows`, perhaps with further columns.
        faults: what to look for.
        problems: takes a problem for each fault that some row has.
        ledger: counts the rows.
    """
    rows = frame.height
    for fault in faults:
        bad = frame.select(fault.bad.fill_null(False).alias("bad")).to_series()
        if bad.any():
            place = table.place(int(frame[PLACE].filter(bad)[0]), fault.column)
            problem = Problem(
                fault.what,
                fault.expected,
                place.found,
                fault.remedy,
                file=place.file,
                row=place.row,
                column=fault.column,
                count=int(bad.sum()),
                severity="repaired" if fault.asked else "error",
            )
            problems.append(weighed(problem, rows))
            frame = frame.filter(~bad)
            if ledger is not None:
                ledger.leave_out(int(bad.sum()), asked=fault.asked)
    return frame


def missing(need: Need, what: str, dropped: bool) -> RowFault:
    """Return the fault of a row that lacks an id.

    Args:
        need: the column.
        what: what the row lacks, such as "a link has no user".
        dropped: whether such rows are left out as asked.
    """
    remedy = "they were left out" if dropped else 'fill it in, or set on_bad_row = "drop"'
    return RowFault(
        pl.col(need.alias).is_null(), need.column, what, "an id in every row", remedy, asked=dropped
    )


def each_once(frame: pl.DataFrame, columns: Sequence[str], ledger: RowLedger | None) -> pl.DataFrame:
    """Return the first of the rows that are equal in some columns; the others say the same again."""
    once = frame.unique(columns, keep="first", maintain_order=True)
    if ledger is not None:
        ledger.merge(frame.height - once.height)
    return once
