"""Events as public language-model data sets hold them: one row per choice, with the history before it.

The last item of a row is the choice. The rows of a user overlap, so an item of the history enters the log
only where the log does not hold it yet: the k-th mention of an item within one history needs k events.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.types import BoolArray, IntArray, LongArray
from polyscene.data.reading.actions import Actions, actions_of, worth
from polyscene.data.reading.equal_rows import once_each
from polyscene.data.reading.events import coded, in_time, numbering
from polyscene.data.reading.open_events import OpenEvents
from polyscene.data.reading.row_checks import Check, reported, row_checks
from polyscene.data.reading.unknown_items import UnknownItems, report_unknown
from polyscene.data.schema import Catalogue, EventLog, Ids, Part
from polyscene.data.tables.totals import RowLedger

_ROW = "#row"


def read_sequences(
    opened: OpenEvents,
    users: Ids,
    catalogue: Catalogue | None,
    problems: list[Problem],
    ledger: RowLedger | None = None,
) -> EventLog:
    """Return the events of a scenario whose table has one row per choice.

    Rows are taken by time, then in the order of the table. Each gives the items of its history that are
    new to the user's log (never choices; TRAIN in a train row, else CONTEXT), then its choice, all with
    the time of the row plus their place among the user's events of that time: a microsecond each, so that
    the order which the rows tell is kept and a choice comes after its history. The row's action counts for
    all its events, its value for the choice only.

    Args:
        opened: the table.
        users: the project's numbering; it holds all users of the table.
        catalogue: the scenario's items; None where they could not be read: no event can be told then.
        problems: takes what is wrong with rows; the log leaves those out.
        ledger: counts the rows.

    Raises:
        DataError: a file is broken.
    """
    actions = actions_of(opened.settings, opened.seen, opened.table.name, problems)
    rows = opened.table.collect(coded(opened, opened.rows, users, actions).drop("user"))
    keep = reported(opened, rows, [*row_checks(opened), *_item_checks(opened)], problems, ledger)
    keep &= once_each(opened.table, opened.needs, opened.events, rows, keep, problems, ledger)
    rows = rows.with_row_index(_ROW).filter(pl.Series(keep, dtype=pl.Boolean))
    order = in_time(rows["time"].to_numpy()) if "time" in rows.columns else None
    rows = rows if order is None else rows[order]
    sound = rows.height
    rows = _with_codes(opened, rows, catalogue, problems)
    if ledger is not None and catalogue is not None:
        ledger.leave_out(sound - rows.height, asked=opened.events.on_unknown_item == "drop")
    return _log(opened, rows, actions)


def entering(user: IntArray, offsets: LongArray, items: IntArray) -> BoolArray:
    """Say which items of the rows enter the log: every choice, and what of a history is new to its user.

    Args:
        user: (n,) one user per row, rows in the order of their choices.
        offsets: (n + 1,) row i holds `items[offsets[i]:offsets[i + 1]]`, at least one item.
        items: (m,) item codes; the last of each row is the choice.

    Returns:
        (m,) True where the item becomes an event. Linear in m.
    """
    enters = np.zeros(len(items), dtype=np.bool_)
    by_user = np.argsort(user, kind="stable")
    borders = np.flatnonzero(np.diff(user[by_user])) + 1
    for first, last in pairwise((0, *borders.tolist(), len(by_user))):
        logged: Counter[int] = Counter()
        for row in by_user[first:last].tolist():
            start, end = int(offsets[row]), int(offsets[row + 1])
            *history, choice = items[start:end].tolist()
            mentions: Counter[int] = Counter()
            for place, item in enumerate(history, start=start):
                mentions[item] += 1
                if mentions[item] > logged[item]:
                    logged[item] += 1
                    enters[place] = True
            logged[choice] += 1
            enters[end - 1] = True
    return enters


def _item_checks(opened: OpenEvents) -> list[Check]:
    items = pl.col("items")
    holes = items.is_null() | (items.list.len() == 0) | items.list.eval(pl.element().is_null()).list.any()
    remedy = 'mend the list, or set on_bad_row = "drop"'
    return [Check("items", holes, "a row has no proper list of items", "a list of ids without gaps", remedy)]


def _with_codes(
    opened: OpenEvents, rows: pl.DataFrame, catalogue: Catalogue | None, problems: list[Problem]
) -> pl.DataFrame:
    """Replace ids by codes; unknown items leave the histories, and rows whose choice is unknown leave."""
    if catalogue is None:
        return rows.clear().with_columns(pl.col("items").cast(pl.List(pl.Int32)))
    flat = rows.select(pl.col("items").list.explode(keep_nulls=True, empty_as_null=True))
    codes = (
        flat.lazy()
        .join(numbering("items", catalogue.ids), on="items", how="left", maintain_order="left")
        .collect()["items_code"]
    )
    offsets = _offsets(rows)
    unknown = codes.is_null().to_numpy()
    rows = rows.with_columns(_lists(codes, offsets))
    if not unknown.any():
        return rows
    first = int(unknown.argmax())
    position = int(rows[_ROW][int(np.searchsorted(offsets, first, side="right")) - 1])
    report_unknown(
        opened.table,
        opened.needs["items"],
        opened.events.on_unknown_item == "drop",
        UnknownItems(position, str(flat.to_series()[first]), int(unknown.sum()), len(flat)),
        catalogue,
        problems,
    )
    chosen = rows.filter(pl.col("items").list.last().is_not_null())
    return chosen.with_columns(pl.col("items").list.drop_nulls())


def _offsets(rows: pl.DataFrame) -> LongArray:
    lengths = rows["items"].list.len().to_numpy().astype(np.int64)
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])


def _lists(codes: pl.Series, offsets: LongArray) -> pl.Series:
    """Return the flat codes as one list per row."""
    row = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    frame = pl.DataFrame({"row": row, "items": codes})
    return frame.group_by("row", maintain_order=True).agg("items")["items"]


def _log(opened: OpenEvents, rows: pl.DataFrame, actions: Actions) -> EventLog:
    offsets = _offsets(rows)
    flat = rows["items"].explode(empty_as_null=False).to_numpy().astype(np.int32)
    user = rows["user_code"].to_numpy().astype(np.int32)
    last = np.zeros(len(flat), dtype=np.bool_)
    last[offsets[1:] - 1] = True
    enters = entering(user, offsets, flat)
    row = np.repeat(np.arange(rows.height), np.diff(offsets))[enters]
    last = last[enters]
    action = rows["action"].to_numpy()[row] if opened.seen is not None else np.zeros(len(row), dtype=np.int8)
    part = rows["split"].to_numpy()[row] if "split" in rows.columns else np.zeros(len(row), dtype=np.int8)
    time = rows["time"].to_numpy() if "time" in rows.columns else np.arange(rows.height, dtype=np.int64)
    value = np.full(len(row), np.nan, dtype=np.float32)
    if "value" in rows.columns:
        value[last] = rows["value"].fill_null(float("nan")).to_numpy()
    counts = worth(actions.weight[action], last & actions.choice[action], value, opened.events.liked_from)
    context = ~last & (part != Part.TRAIN)
    return EventLog(
        user=user[row],
        item=flat[enters],
        action=action,
        value=value,
        weight=counts.weight,
        time=_in_turn(user[row], time[row]),
        part=np.where(context, Part.CONTEXT, part).astype(np.int8),
        choice=counts.choice,
        actions=actions.names,
        had=counts.had,
    )


def _in_turn(user: IntArray, time: LongArray) -> LongArray:
    """Return times at which no user has two events: each waits for the one before it."""
    order = np.lexsort((np.arange(len(user)), time, user))
    base = time[order]
    new_user = (
        np.concatenate([[True], user[order][1:] != user[order][:-1]]) if len(user) else np.zeros(0, bool)
    )
    spaced = base.copy()
    for first, last in pairwise((*np.flatnonzero(new_user).tolist(), len(order))):
        place = np.arange(last - first)
        spaced[first:last] = np.maximum.accumulate(base[first:last] - place) + place
    turned = np.empty_like(time)
    turned[order] = spaced
    return turned
