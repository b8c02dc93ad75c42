"""The event table of a scenario, opened: its columns by their role, its users, its actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.settings.tables import EventsSettings
from polyscene.data.reading.actions import MAX_ACTIONS
from polyscene.data.reading.users import project_name
from polyscene.data.schema import Catalogue, Clock
from polyscene.data.tables.columns import Kind, Need
from polyscene.data.tables.opening import open_table
from polyscene.data.tables.table import Table
from polyscene.data.tables.times import rule_for


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
