"""Events as tables hold them, one per row, as the arrays of an `EventLog`.

Ids become codes inside the engine (joins on the numbering), so ten million events never exist as Python
objects. What is wrong with rows is found in the coded columns; only then are files looked at again, for
the first place of each kind of trouble.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.settings.tables import EventsSettings
from polyscene.core.types import BoolArray, LongArray
from polyscene.data.reading.actions import MAX_ACTIONS, Actions, actions_of, worth
from polyscene.data.reading.equal_rows import once_each
from polyscene.data.reading.unknown_items import UnknownItems, report_unknown
from polyscene.data.reading.users import project_name
from polyscene.data.schema import Catalogue, Clock, EventLog, Ids, Part
from polyscene.data.tables.columns import Kind, Need, number_remedy
from polyscene.data.tables.opening import open_table
from polyscene.data.tables.repairs import weighed
from polyscene.data.tables.table import Table
from polyscene.data.tables.times import IMPOSSIBLE, rule_for

PARTS: dict[str, Part] = {
    "train": Part.TRAIN,
    "valid": Part.VALID,
    "validation": Part.VALID,
    "test": Part.TEST,
    "context": Part.CONTEXT,
}


@dataclass(frozen=True)
class OpenEvents:
    """The event table of one scenario, before its ids have numbers.

    Attributes:
        scenario: the scenario's name.
        settings: the scenario's.
        table: the open table.
        needs: the columns by their role: user, item or items, action, value, time, split.
        users: names in the project of all its users, sorted.
        seen: its actions, sorted; None where it has no such column.
    """

    scenario: str
    settings: ScenarioSettings
    table: Table
    needs: Mapping[str, Need]
    users: pl.Series
    seen: tuple[str, ...] | None

    @property
    def events(self) -> EventsSettings:
        """The table's settings."""
        return self.settings.events

    @property
    def clock(self) -> Clock:
        """What its times are."""
        need = self.needs.get("time")
        return "sequence" if need is None or need.rule is None else need.rule.clock

    @property
    def rows(self) -> pl.LazyFrame:
        """All rows, with one converted column per role; the user by the name in the project."""
        columns = [pl.col(need.alias).alias(role) for role, need in self.needs.items()]
        user = project_name(pl.col("user"), self.scenario, self.settings.users_are_local)
        return self.table.rows(self.needs.values()).select(columns).with_columns(user.alias("user"))


@dataclass(frozen=True, slots=True)
class Check:
    """One way in which rows can be bad."""

    role: str
    bad: pl.Expr
    what: str
    expected: str
    remedy: str


def open_events(scenario: str, settings: ScenarioSettings, base: Path) -> OpenEvents:
    """Open the event table of a scenario and collect its users and actions.

    Raises:
        DataError: the table cannot be read; all problems are listed.
    """
    events = settings.events
    needs = _needs(events)
    table = open_table(events, base, needs.values())
    time = events.time_column
    if time is not None:
        rule = rule_for(table.sample(time), events.time_format, events.timezone, time)
        needs["time"] = replace(needs["time"], rule=rule)
    opened = OpenEvents(scenario, settings, table, needs, pl.Series(dtype=pl.String), None)
    users = _distinct(opened, "user")
    seen = (
        None if events.action is None else tuple(_distinct(opened, "action").head(2 * MAX_ACTIONS).to_list())
    )
    return replace(opened, users=users, seen=seen)


def unknown_items(opened: OpenEvents, catalogue: Catalogue) -> pl.Series:
    """Return the ids that events name and the catalogue does not have, sorted."""
    known = pl.LazyFrame({"item": catalogue.ids.values})
    rows = opened.table.rows([need for role, need in opened.needs.items() if role in ("item", "items")])
    named = rows.select(pl.all().name.map(lambda _: "item"))
    if opened.events.items is not None:
        named = named.explode("item")
    new = named.drop_nulls().unique().join(known, on="item", how="anti")
    return opened.table.collect(new).to_series().sort()


def read_events(
    opened: OpenEvents, users: Ids, catalogue: Catalogue | None, problems: list[Problem]
) -> EventLog:
    """Return the events of a scenario, ordered by time, ties as in the table.

    Args:
        opened: the table, one event per row.
        users: the project's numbering; it holds all users of the table.
        catalogue: the scenario's items; None where they could not be read, so that items are not checked.
        problems: takes what is wrong with rows; the log leaves those out.

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
    keep = reported(opened, frame, checks, problems)
    if catalogue is not None:
        keep &= _known_items(opened, frame, keep, catalogue, problems)
        keep &= once_each(opened.table, opened.needs, opened.events, frame, keep, problems)
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
    opened: OpenEvents, frame: pl.DataFrame, checks: Sequence[Check], problems: list[Problem]
) -> BoolArray:
    """Report the rows that fail a check and return which pass them all.

    Args:
        opened: the table.
        frame: its coded rows, in its order.
        checks: what to look for.
        problems: takes one problem per failed check, an error or, with `on_bad_row = "drop"`, repaired.
    """
    keep = np.ones(frame.height, dtype=np.bool_)
    for check in checks:
        bad = frame.select(check.bad.fill_null(False)).to_series()
        if bad.any():
            problem = _bad_rows(opened, check, int(bad.arg_max() or 0), int(bad.sum()), frame.height)
            problems.append(weighed(problem, frame.height))
            keep &= ~bad.to_numpy()
    return keep


def in_time(times: LongArray) -> LongArray | None:
    """Return the stable order by time, or None where the events already stand in it."""
    if bool(np.all(times[:-1] <= times[1:])):
        return None
    return np.argsort(times, kind="stable")


def _needs(events: EventsSettings) -> dict[str, Need]:
    columns: tuple[tuple[str, str | None, Kind], ...] = (
        ("user", events.user, "id"),
        ("item", events.item, "id"),
        ("items", events.items, "ids"),
        ("action", events.action, "text"),
        ("value", events.value, "number"),
        ("time", events.time_column, "time"),
        ("split", events.split, "text"),
    )
    return {role: Need(role, name, kind) for role, name, kind in columns if name is not None}


def _distinct(opened: OpenEvents, role: str) -> pl.Series:
    return opened.table.collect(opened.rows.select(role).drop_nulls().unique()).to_series().sort()


def _codes(column: str | pl.Expr, codes: Mapping[str, int]) -> pl.Expr:
    value = pl.col(column) if isinstance(column, str) else column
    return value.replace_strict(list(codes), list(codes.values()), default=None, return_dtype=pl.Int8)


def _item_check(opened: OpenEvents) -> Check:
    fill = 'fill it in, or set on_bad_row = "drop"'
    return Check("item", pl.col("no_item"), "a row has no item", "an id in every row", fill)


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


def _known_items(
    opened: OpenEvents, frame: pl.DataFrame, keep: BoolArray, catalogue: Catalogue, problems: list[Problem]
) -> BoolArray:
    unknown = frame["item_code"].is_null().to_numpy() & keep
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
