"""How rows of a log can be bad, whatever their items: each way with its words and its remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.types import BoolArray
from polyscene.data.reading.open_events import OpenEvents
from polyscene.data.schema import Part
from polyscene.data.tables.columns import number_remedy
from polyscene.data.tables.repairs import weighed
from polyscene.data.tables.times import IMPOSSIBLE
from polyscene.data.tables.totals import RowLedger

PARTS: dict[str, Part] = {
    "train": Part.TRAIN,
    "valid": Part.VALID,
    "validation": Part.VALID,
    "test": Part.TEST,
    "context": Part.CONTEXT,
}


@dataclass(frozen=True, slots=True)
class Check:
    """One way in which rows can be bad."""

    role: str
    bad: pl.Expr
    what: str
    expected: str
    remedy: str


def row_checks(opened: OpenEvents) -> list[Check]:
    """Return how the columns of a row, all but its items, can be bad."""
    fill = 'fill it in, or set on_bad_row = "drop"'
    checks = [Check("user", pl.col("user_code").is_null(), "a row has no user", "an id in every row", fill)]
    if opened.seen is not None:
        checks.append(Check("action", pl.col("action").is_null(), "a row has no action", "its name", fill))
    if "value" in opened.needs:
        checks.append(
            Check(
                "value",
                pl.col("value").is_infinite(),
                "text in a column of numbers",
                "a finite number, or nothing",
                "mend it, add it to 'null_values', or set on_bad_row = \"drop\"",
            )
        )
    rule = opened.needs["time"].rule if "time" in opened.needs else None
    if rule is not None:
        bad = pl.col("time").is_null() | (pl.col("time") == IMPOSSIBLE)
        checks.append(
            Check(
                "time",
                bad,
                "an impossible time",
                rule.words,
                "mend it, set 'time_format', or set on_bad_row = \"drop\"",
            )
        )
    if "split" in opened.needs:
        checks.append(
            Check(
                "split",
                pl.col("split").is_null(),
                "an unknown split",
                "one of " + ", ".join(PARTS),
                "rename it, leave such rows out with 'where', or set on_bad_row = \"drop\"",
            )
        )
    return checks


def reported(
    opened: OpenEvents,
    frame: pl.DataFrame,
    checks: Sequence[Check],
    problems: list[Problem],
    ledger: RowLedger | None = None,
) -> BoolArray:
    """Report the rows that fail a check and return which pass them all.

    Args:
        opened: the table.
        frame: its coded rows, in its order.
        checks: what to look for.
        problems: takes one problem per failed check, an error or, with `on_bad_row = "drop"`, repaired.
        ledger: counts the rows.
    """
    keep = np.ones(frame.height, dtype=np.bool_)
    for check in checks:
        bad = frame.select(check.bad.fill_null(False)).to_series()
        if bad.any():
            problem = _bad_rows(opened, check, int(bad.arg_max() or 0), int(bad.sum()), frame.height)
            problems.append(weighed(problem, frame.height))
            keep &= ~bad.to_numpy()
    if ledger is not None:
        ledger.leave_out(int((~keep).sum()), asked=opened.events.on_bad_row == "drop")
    return keep


def _bad_rows(opened: OpenEvents, check: Check, position: int, count: int, rows: int) -> Problem:
    column = opened.needs[check.role].column
    place = opened.table.place(position, column)
    dropped = opened.events.on_bad_row == "drop"
    remedy = check.remedy
    if check.role == "value":
        remedy = number_remedy(place.value) + ', or set on_bad_row = "drop"'
    elif check.role == "time" and 2 * count > rows:
        remedy = "set 'time_format', or name another column for 'time'"
    return Problem(
        check.what,
        check.expected,
        place.found,
        "such rows were left out" if dropped else remedy,
        file=place.file,
        row=place.row,
        column=column,
        count=count,
        severity="repaired" if dropped else "error",
    )
