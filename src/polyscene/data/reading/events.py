"""Events as tables hold them, one per row, as the arrays of an `EventLog`.

Ids become codes inside the engine (joins on the numbering), so ten million events never exist as Python
objects. What is wrong with rows is found in the coded columns; only then are files looked at again, for
the first place of each kind of trouble.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.types import BoolArray, LongArray
from polyscene.data.reading.actions import Actions, actions_of, worth
from polyscene.data.reading.equal_rows import once_each
from polyscene.data.reading.open_events import OpenEvents
from polyscene.data.reading.row_checks import PARTS, Check, reported, row_checks
from polyscene.data.reading.unknown_items import UnknownItems, report_unknown
from polyscene.data.schema import Catalogue, EventLog, Ids
from polyscene.data.tables.totals import RowLedger


def read_events(
    opened: OpenEvents,
    users: Ids,
    catalogue: Catalogue | None,
    problems: list[Problem],
    ledger: RowLedger | None = None,
) -> EventLog:
    """Return the events of a scenario, ordered by time, ties as in the table.

    Args:
        opened: the table, one event per row.
        users: the project's numbering; it holds all users of the table.
        catalogue: the scenario's items; None where they could not be read, so that items are not checked.
        problems: takes what is wrong with rows; the log leaves those out.
        ledger: counts the rows.

    Raises:
        DataError: a file is broken.
    """
    actions = actions_of(opened.settings, opened.seen, opened.table.name, problems)
    plan = coded(opened, opened.rows, users, actions)
    if catalogue is None:
        plan = plan.with_columns(pl.lit(0, pl.Int32).alias("item_code"))
    else:
        plan = plan.join(numbering("item", catalogue.ids), on="item", how="left", maintain_order="left")
    plan = plan.with_columns(pl.col("item").is_null().alias("no_item")).drop("user", "item")
    frame = opened.table.collect(plan)
    checks = [*row_checks(opened), _item_check(opened)]
    keep = reported(opened, frame, checks, problems, ledger)
    if catalogue is not None:
        keep &= _known_items(opened, frame, keep, catalogue, problems, ledger)
        keep &= once_each(opened.table, opened.needs, opened.events, frame, keep, problems, ledger)
    return _log(opened, frame if keep.all() else frame.filter(pl.Series(keep)), actions)


def coded(opened: OpenEvents, rows: pl.LazyFrame, users: Ids, actions: Actions) -> pl.LazyFrame:
    """Turn users, actions and splits into codes (null where there is none), values into Float32."""
    columns: list[pl.Expr] = []
    if opened.seen is not None:
        columns.append(_codes("action", {name: code for code, name in enumerate(actions.names)}))
    if "split" in opened.needs:
        lower = pl.col("split").str.to_lowercase()
        columns.append(_codes(lower, {name: int(part) for name, part in PARTS.items()}))
    if "value" in opened.needs:
        columns.append(pl.col("value").cast(pl.Float32))
    rows = rows.with_columns(columns)
    return rows.join(numbering("user", users), on="user", how="left", maintain_order="left")


def numbering(role: str, ids: Ids) -> pl.LazyFrame:
    """Return ids with their codes, to be joined on the ids."""
    codes = pl.int_range(len(ids), dtype=pl.Int32, eager=True)
    return pl.LazyFrame({role: ids.values, f"{role}_code": codes})


def in_time(times: LongArray) -> LongArray | None:
    """Return the stable order by time, or None where the events already stand in it."""
    if bool(np.all(times[:-1] <= times[1:])):
        return None
    return np.argsort(times, kind="stable")


def _codes(column: str | pl.Expr, codes: Mapping[str, int]) -> pl.Expr:
    value = pl.col(column) if isinstance(column, str) else column
    return value.replace_strict(list(codes), list(codes.values()), default=None, return_dtype=pl.Int8)


def _item_check(opened: OpenEvents) -> Check:
    fill = 'fill it in, or set on_bad_row = "drop"'
    return Check("item", pl.col("no_item"), "a row has no item", "an id in every row", fill)


def _known_items(
    opened: OpenEvents,
    frame: pl.DataFrame,
    keep: BoolArray,
    catalogue: Catalogue,
    problems: list[Problem],
    ledger: RowLedger | None,
) -> BoolArray:
    unknown = frame["item_code"].is_null().to_numpy() & keep
    if ledger is not None:
        ledger.leave_out(int(unknown.sum()), asked=opened.events.on_unknown_item == "drop")
    if unknown.any():
        report_unknown(
            opened.table,
            opened.needs["item"],
            opened.events.on_unknown_item == "drop",
            UnknownItems(int(unknown.argmax()), None, int(unknown.sum()), frame.height),
            catalogue,
            problems,
        )
    return ~unknown


def _log(opened: OpenEvents, frame: pl.DataFrame, actions: Actions) -> EventLog:
    size = frame.height
    action = frame["action"].to_numpy() if opened.seen is not None else np.zeros(size, dtype=np.int8)
    value = _values(frame)
    counts = worth(actions.weight[action], actions.choice[action], value, opened.events.liked_from)
    log = EventLog(
        user=frame["user_code"].to_numpy(),
        item=frame["item_code"].to_numpy(),
        action=action,
        value=value,
        weight=counts.weight,
        time=frame["time"].to_numpy() if "time" in frame.columns else np.arange(size, dtype=np.int64),
        part=frame["split"].to_numpy() if "split" in frame.columns else np.zeros(size, dtype=np.int8),
        choice=counts.choice,
        actions=actions.names,
        had=counts.had,
    )
    order = in_time(log.time)
    return log if order is None else log.take(order)


def _values(frame: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    if "value" not in frame.columns:
        return np.full(frame.height, np.nan, dtype=np.float32)
    return frame["value"].fill_null(float("nan")).to_numpy()
