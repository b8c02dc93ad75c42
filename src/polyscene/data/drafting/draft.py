"""A drafted project: guesses with reasons, how sure they are and what else it could have been."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from polyscene.data.drafting.tables import Table

DOUBTFUL = 0.5
"""A guess that is less sure than this is marked as something to decide."""

_NO_COLUMNS = frozenset(
    {"time_format", "on_bad_row", "on_unknown_item", "on_duplicate", "null_values", "where", "liked_from"}
)
"""Settings that name no column."""

Value = str | tuple[str, ...] | int


@dataclass(frozen=True, slots=True)
class Guess:
    """One setting as it was guessed.

    Attributes:
        value: what to write.
        sure: in [0, 1]; below `DOUBTFUL` the line is marked DECIDE.
        why: the evidence, in a few words.
        instead: other values it could have been, best first.
    """

    value: Value
    sure: float
    why: str
    instead: tuple[str, ...] = ()

    @property
    def to_decide(self) -> bool:
        """Whether a person has to look at it."""
        return self.sure < DOUBTFUL


@dataclass(frozen=True)
class TableDraft:
    """One table of a scenario: `guesses` by the settings' own keys, in the order of writing.

    Attributes:
        where: a filter in SQL, where several scenarios share the table.
        hints: lines of commentary about the table.
        questions: by the setting that would answer it, what a person has to decide; a line of words each,
            then lines that are meant to be copied.
    """

    table: Table
    guesses: Mapping[str, Guess]
    where: str | None = None
    hints: tuple[str, ...] = ()
    questions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def used(self) -> set[str]:
        """Return the columns that its settings name."""
        names: set[str] = set()
        for key, guess in self.guesses.items():
            if key not in _NO_COLUMNS and not isinstance(guess.value, int):
                names |= {guess.value} if isinstance(guess.value, str) else set(guess.value)
        return names

    def column(self, key: str) -> str | None:
        """Return the column guessed for a setting that holds one."""
        guess = self.guesses.get(key)
        return guess.value if guess is not None and isinstance(guess.value, str) else None

    def columns(self, key: str) -> tuple[str, ...]:
        """Return the columns guessed for a setting that holds several."""
        guess = self.guesses.get(key)
        return guess.value if guess is not None and isinstance(guess.value, tuple) else ()


@dataclass(frozen=True)
class ScenarioDraft:
    """One scenario.

    Attributes:
        links: who knows whom, where a table looks like it.
        knowledge: a table of triples, where one looks like it; its items' entities beside it.
        template: the item's text, where its columns can be named in one.
        objectives: actions that count as choices; empty where all of them do.
        actions: weights of the actions that are not worth 1.
        actions_seen: what the action column holds.
    """

    name: str
    items: TableDraft
    events: TableDraft
    users: TableDraft | None = None
    links: TableDraft | None = None
    knowledge: TableDraft | None = None
    entities: TableDraft | None = None
    template: str | None = None
    objectives: tuple[str, ...] = ()
    actions: Mapping[str, float] = field(default_factory=dict)
    actions_seen: tuple[str, ...] = ()

    @property
    def parts(self) -> dict[str, TableDraft]:
        """Return the tables that it has, by the block that describes each."""
        every = {
            "items": self.items,
            "events": self.events,
            "users": self.users,
            "links": self.links,
            "knowledge": self.knowledge,
            "knowledge.entities": self.entities,
        }
        return {name: draft for name, draft in every.items() if draft is not None}

    def narrowed(self, name: str, where: str) -> ScenarioDraft:
        """Return the scenario that keeps only the rows where `where` holds."""
        return replace(self, name=name, items=_with(self.items, where), events=_with(self.events, where))


def _with(draft: TableDraft, where: str) -> TableDraft:
    return replace(draft, where=where if draft.where is None else f"{draft.where} and {where}")
