"""`polyscene check`: everything that is wrong with the tables of a project, at once, with counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from polyscene.core.errors import Problem
from polyscene.core.progress import Progress, Silent
from polyscene.core.settings.project import Settings
from polyscene.data.reading.dataset import LoadedTables, read_tables
from polyscene.data.schema import Clock, EventLog
from polyscene.data.tables.totals import RowTotals

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Counts:
    """What one scenario holds, bad rows left out; None where a table could not be read.

    Attributes:
        items: items in the catalogue.
        users: users with at least one event.
        events: events.
        actions: events by action.
        clock: what times are.
        first: the earliest event, a time in UTC or a sequence number; None without events.
        last: the latest event, likewise.
        tables: what became of the rows of each table that could be opened.
    """

    items: int | None = None
    users: int | None = None
    events: int | None = None
    actions: Mapping[str, int] | None = None
    clock: Clock | None = None
    first: datetime | int | None = None
    last: datetime | int | None = None
    tables: tuple[RowTotals, ...] = ()


@dataclass(frozen=True)
class CheckReport:
    """The outcome of a check.

    Attributes:
        problems: everything that was met, of any severity.
        counts: what each scenario holds.
    """

    problems: tuple[Problem, ...]
    counts: Mapping[str, Counts]

    @property
    def ok(self) -> bool:
        """Whether the project can be read as it is."""
        return all(problem.severity != "error" for problem in self.problems)


def check_project(settings: Settings, base: Path, progress: Progress | None = None) -> CheckReport:
    """Read every table of a project and report all problems, over all scenarios.

    Args:
        settings: the project's.
        base: the folder its paths start from.
        progress: is told about every table.
    """
    return check_tables(read_tables(settings, base, progress or Silent(), counted=True), settings)


def check_tables(reading: LoadedTables, settings: Settings) -> CheckReport:
    """Return what was met while the tables of a project were read."""
    return CheckReport(reading.problems, {name: _counts(reading, name) for name in settings.scenarios})


def _counts(reading: LoadedTables, name: str) -> Counts:
    catalogue = reading.catalogues.get(name)
    items = None if catalogue is None else len(catalogue)
    log, totals = reading.logs.get(name), reading.totals.get(name, ())
    if log is None:
        return Counts(items=items, tables=totals)
    clock = reading.clocks[name]
    by_action = np.bincount(log.action, minlength=len(log.actions)).tolist()
    return Counts(
        items=items,
        users=len(np.unique(log.user)),
        events=len(log),
        actions=dict(zip(log.actions, by_action, strict=True)),
        clock=clock,
        first=_moment(log, 0, clock),
        last=_moment(log, -1, clock),
        tables=totals,
    )


def _moment(log: EventLog, place: int, clock: Clock) -> datetime | int | None:
    if not len(log):
        return None
    time = int(log.time[place])
    return time if clock == "sequence" else _EPOCH + timedelta(microseconds=time)
