"""All tables of a project, put together: one numbering of people, a catalogue and a log per scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.core.progress import Advance, Progress, Silent
from polyscene.core.settings.project import Settings
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.settings.tables import TableSettings
from polyscene.data.links import KnowledgeGraph, SocialLinks
from polyscene.data.reading.days import at_ends_of_days
from polyscene.data.reading.events import read_events
from polyscene.data.reading.items import extended, read_items
from polyscene.data.reading.knowledge import read_knowledge
from polyscene.data.reading.links import OpenLinks, read_links
from polyscene.data.reading.open_events import OpenEvents, open_events, unknown_items
from polyscene.data.reading.scales import grades_as_choices
from polyscene.data.reading.sequences import read_sequences
from polyscene.data.reading.users import ID, profile, read_users
from polyscene.data.schema import Catalogue, Clock, Dataset, EventLog, Ids, Scenario
from polyscene.data.tables.keyed import complain_if_empty
from polyscene.data.tables.sources import same_rows
from polyscene.data.tables.totals import Role, RowLedger, RowTotals

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class LoadedTables:
    """What reading a whole project gave, whether or not it can be used.

    Attributes:
        problems: everything that was met, each with its scenario.
        users: the numbering of people.
        catalogues: by scenario, where items could be read.
        logs: by scenario, where events could be read.
        clocks: by scenario, where events could be read.
        profiles: by scenario, where there are users and they could be read.
        totals: by scenario, what became of the rows of its tables; empty where that was not asked for.
        links: between people, of all scenarios together; None where no scenario has any that can be read.
        knowledge: by scenario, where it has a graph that can be read.
    """

    problems: tuple[Problem, ...]
    users: Ids
    catalogues: Mapping[str, Catalogue]
    logs: Mapping[str, EventLog]
    clocks: Mapping[str, Clock]
    profiles: Mapping[str, pl.DataFrame]
    totals: Mapping[str, tuple[RowTotals, ...]] = field(default_factory=dict)
    links: SocialLinks | None = None
    knowledge: Mapping[str, KnowledgeGraph] = field(default_factory=dict)


def read_dataset(settings: Settings, base: Path, progress: Progress | None = None) -> Dataset:
    """Read everything that a project names.

    Args:
        settings: the project's.
        base: the folder its paths start from.
        progress: is told about every table.

    Returns:
        The data set. People are numbered in the order of their names over the whole project, including
        those who are described but did nothing; items in the order of their table. Times of different
        scenarios can be compared where all are times, or where all are sequence numbers of one clock.

    Raises:
        DataError: anything is wrong that the settings do not ask to repair; all of it is listed.
    """
    return dataset_of(read_tables(settings, base, progress or Silent()), settings)


def dataset_of(reading: LoadedTables, settings: Settings) -> Dataset:
    """Return the data set that was read; see `read_dataset`.

    Raises:
        DataError: anything is wrong that the settings do not ask to repair; all of it is listed.
    """
    errors = [problem for problem in reading.problems if problem.severity == "error"]
    if errors:
        raise DataError(errors)
    scenarios = {
        name: Scenario(
            name=name,
            catalogue=reading.catalogues[name],
            events=reading.logs[name],
            clock=reading.clocks[name],
            repeats=scenario.repeats,
            has_split=scenario.events.split is not None,
            row_order=scenario.events.time is None,
        )
        for name, scenario in settings.scenarios.items()
    }
    kinds = set(reading.clocks.values())
    shared = kinds == {"time"} or (kinds == {"sequence"} and settings.sequence_clock == "shared")
    mended = (problem for problem in reading.problems if problem.severity == "repaired" or problem.mended)
    notes = tuple(_note(problem) for problem in mended)
    return Dataset(
        reading.users, scenarios, reading.profiles, shared, notes, reading.links, reading.knowledge
    )


def read_tables(settings: Settings, base: Path, progress: Progress, counted: bool = False) -> LoadedTables:
    """Read every table of every scenario; one that is broken does not hide the others.

    Args:
        settings: the project's.
        base: the folder its paths start from.
        progress: is told about every table.
        counted: whether to say what became of the rows of each table, which takes another pass.
    """
    problems: list[Problem] = []
    with progress.track("reading tables", sum(map(_steps, settings.scenarios.values())), "steps") as advance:
        parts = [
            _Part(name, scenario, base, problems, advance, counted)
            for name, scenario in settings.scenarios.items()
        ]
        users = _numbered([people for part in parts for people in part.people])
        logs = {part.name: log for part in parts if (log := part.log(users)) is not None}
        graphs = {part.name: graph for part in parts if (graph := part.graph()) is not None}
    return LoadedTables(
        problems=tuple(problems),
        users=users,
        catalogues={part.name: part.catalogue for part in parts if part.catalogue is not None},
        logs=logs,
        clocks={part.name: part.opened.clock for part in parts if part.opened is not None},
        profiles={part.name: profile(part.known, users) for part in parts if part.known is not None},
        totals={part.name: part.totals() for part in parts} if counted else {},
        links=SocialLinks.joined(part.links.coded(users) for part in parts if part.links is not None),
        knowledge=graphs,
    )


class _Part:
    """The tables of one scenario while they are read."""

    def __init__(
        self,
        name: str,
        settings: ScenarioSettings,
        base: Path,
        problems: list[Problem],
        advance: Advance,
        counted: bool,
    ) -> None:
        self.name = name
        self.base = base
        self.ledgers = _ledgers(settings) if counted else {}
        self.settings = settings
        self.problems = problems
        self.advance = advance
        items = self.ledgers.get("items")
        self.catalogue = self._try(lambda faults: read_items(settings, base, faults, items), items)
        self.opened = self._try(lambda _: self._opened(), self.ledgers.get("events"))
        self.known = self._try(self._users, self.ledgers.get("users"))
        described = self._described
        links = self.ledgers.get("links")
        self.links = (
            None
            if settings.links is None
            else self._try(lambda faults: self._links(described, faults), links)
        )

    @property
    def people(self) -> list[pl.Series]:
        """The names of everybody in this scenario."""
        return self._described if self.links is None else [*self._described, self.links.people]

    @property
    def _described(self) -> list[pl.Series]:
        """The names of those who did something or are described."""
        known = [] if self.known is None else [self.known[ID]]
        return known if self.opened is None else [*known, self.opened.users]

    def graph(self) -> KnowledgeGraph | None:
        """Read the knowledge graph, now that all items are known."""
        knowledge, catalogue = self.settings.knowledge, self.catalogue
        if knowledge is None or catalogue is None:
            return None
        return self._try(
            lambda problems: read_knowledge(knowledge, self.base, catalogue, problems, self.ledgers),
            self.ledgers.get("knowledge"),
        )

    def log(self, users: Ids) -> EventLog | None:
        """Read the events, now that everybody has a number."""
        opened = self.opened
        if opened is None:
            return None
        return self._try(lambda problems: self._log(opened, users, problems), self.ledgers.get("events"))

    def totals(self) -> tuple[RowTotals, ...]:
        """Return what became of the rows of every table that could be opened."""
        every = (ledger.totals() for ledger in self.ledgers.values())
        return tuple(totals for totals in every if totals is not None)

    def _opened(self) -> OpenEvents:
        opened = open_events(self.name, self.settings, self.base)
        if "events" in self.ledgers:
            self.ledgers["events"].open(opened.table)
        return opened

    def _log(self, opened: OpenEvents, users: Ids, problems: list[Problem]) -> EventLog:
        problems.extend(opened.table.remarks)
        if self.catalogue is not None and opened.events.on_unknown_item == "add":
            self.catalogue = _with_unknown(opened, self.catalogue, problems)
        read = read_events if opened.events.items is None else read_sequences
        before = len(problems)
        log = read(opened, users, self.catalogue, problems, self.ledgers.get("events"))
        if len(log) == 0 and before == len(problems) and self.catalogue is not None:
            _complain_of_nothing(opened, problems)
        elif len(opened.users) == 1:
            problems.append(_one_user(opened))
        problems += grades_as_choices(self.settings, log, opened.table.name)
        if opened.clock != "time" or self.catalogue is None:
            return log
        log, notes = at_ends_of_days(log, self.catalogue.since, opened.table.name)
        problems += notes
        return log

    def _users(self, problems: list[Problem]) -> pl.DataFrame | None:
        users, local = self.settings.users, self.settings.users_are_local
        if users is None:
            return None
        from_log = same_rows(users, self.settings.events)
        ledger = self.ledgers.get("users")
        return read_users(users, self.base, self.name, local, problems, from_log, ledger)

    def _links(self, described: list[pl.Series], problems: list[Problem]) -> OpenLinks:
        assert self.settings.links is not None
        return read_links(
            self.settings.links,
            self.base,
            self.name,
            self.settings.users_are_local,
            _numbered(described).values,
            problems,
            self.ledgers.get("links"),
        )

    def _try(self, read: Callable[[list[Problem]], _Read], ledger: RowLedger | None = None) -> _Read | None:
        """Read, keep every problem under the scenario's name, and go on without what cannot be read."""
        problems: list[Problem] = []
        result = None
        try:
            result = read(problems)
        except DataError as error:
            problems.extend(error.problems)
            if ledger is not None:
                ledger.refuse_all(self.base)
        named = (replace(problem, scenario=self.name) for problem in problems)
        self.problems.extend(problem for problem in named if problem not in self.problems)
        self.advance(1)
        return result


def _steps(settings: ScenarioSettings) -> int:
    """Return how many steps reading a scenario takes."""
    return 4 + (settings.links is not None) + (settings.knowledge is not None)


def _ledgers(settings: ScenarioSettings) -> dict[Role, RowLedger]:
    tables: dict[Role, TableSettings | None] = {
        "items": settings.items,
        "events": settings.events,
        "users": settings.users,
        "links": settings.links,
        "knowledge": settings.knowledge,
        "entities": None if settings.knowledge is None else settings.knowledge.entities,
    }
    return {role: RowLedger(role, table) for role, table in tables.items() if table is not None}


def _numbered(names: list[pl.Series]) -> Ids:
    together = pl.concat([pl.Series("user", [], dtype=pl.String), *(name.alias("user") for name in names)])
    return Ids(together.unique().sort())


def _with_unknown(opened: OpenEvents, catalogue: Catalogue, problems: list[Problem]) -> Catalogue:
    new = unknown_items(opened, catalogue)
    if not len(new):
        return catalogue
    problems.append(
        Problem(
            "events name items that the catalogue does not have",
            "every item described",
            f"{len(new):,} ids, the first {new[0]!r:.60}",
            "they were added to the catalogue without text",
            file=opened.table.name,
            column=opened.events.item or opened.events.items,
            count=len(new),
            severity="repaired",
        )
    )
    return extended(catalogue, new)


def _complain_of_nothing(opened: OpenEvents, problems: list[Problem]) -> None:
    """A filter that leaves nothing is an error; a table without rows is a scenario that has yet to begin."""
    complain_if_empty(opened.table, "events", problems)
    if problems[-1].key != "where":
        problems[-1] = replace(
            problems[-1],
            remedy="nothing to mend in a new scenario; until there are events, only text can rank its items",
            severity="warning",
        )


def _one_user(opened: OpenEvents) -> Problem:
    return Problem(
        "all events belong to one user",
        "many users, whose choices can be learned from",
        f"{opened.users[0]!r:.60}",
        "check 'user': it must name the column that says who",
        file=opened.table.name,
        column=opened.events.user,
        key="events.user",
        severity="warning",
    )


def _note(problem: Problem) -> str:
    column = None if problem.column is None else f"column {problem.column}"
    key = None if problem.key is None else f"key {problem.key}"
    place = ", ".join(part for part in (problem.file, column, key) if part is not None)
    times = "once" if problem.count == 1 else f"{problem.count:,} times"
    return f"{problem.scenario}: {place}: {problem.what} ({times}); {problem.remedy}."
