"""Which table is the log, which the catalogue, which the users: found by whose ids occur in whose column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from polyscene.core.text import shown
from polyscene.data.drafting.columns import Column
from polyscene.data.drafting.draft import Guess, ScenarioDraft, TableDraft
from polyscene.data.drafting.events import event_columns, quoted
from polyscene.data.drafting.evidence import (
    PASSIVE,
    WORTHLESS,
    catalogue_score,
    could_hold_items,
    is_derived,
    is_key,
    is_label,
    item_score,
    log_score,
    looks_split,
    user_score,
)
from polyscene.data.drafting.items import (
    item_columns,
    items_among_events,
    template_of,
    user_columns,
    users_among_events,
)
from polyscene.data.drafting.links import knowledge_draft, links_draft
from polyscene.data.drafting.names import hint, likeness, tokens
from polyscene.data.drafting.tables import Table
from polyscene.data.drafting.unused import unused_columns
from polyscene.data.drafting.widening import WideTable, with_joined_users, with_lookups

_PROBED = 20_000
_MAX_SCENARIOS = 20


@dataclass(frozen=True)
class Match:
    """A log, a catalogue, and the columns by which they meet.

    Attributes:
        share: share of the items the log names that the catalogue holds.
        score: how good the pair is; comparable within one look only.
        scenario: the column both have that parts them into scenarios.
    """

    events: Table
    item: str
    items: Table
    key: str
    share: float
    score: float
    scenario: str | None = None

    @property
    def lone(self) -> bool:
        """Whether the catalogue is to be read from the log itself."""
        return self.events is self.items


def best_match(tables: Sequence[Table]) -> Match | None:
    """Return the best pair of log and catalogue; a log alone where no catalogue fits."""
    tables = with_joined_users(tables)
    pairs = [match for log in tables for items in tables if log is not items for match in _pairs(log, items)]
    paired = max(pairs, key=lambda match: match.score, default=None)
    if paired is not None and paired.score > 0.5:
        return paired
    return max(
        (match for table in tables for match in _lone(table)), key=lambda match: match.score, default=paired
    )


def _pairs(log: Table, items: Table) -> list[Match]:
    scenario = shared_scenario(log, items)
    matches = []
    for key in items.columns.values():
        if not (is_key(key) or (scenario and key.name != scenario and _is_key_within(items, key, scenario))):
            continue
        for column in log.columns.values():
            match = _pair(log, column, items, key, scenario) if column.name != scenario else None
            if match is not None:
                matches.append(match)
    return matches


def _pair(log: Table, column: Column, items: Table, key: Column, scenario: str | None) -> Match | None:
    if not could_hold_items(column) or (column.repeat <= 1.02 and not _several(column)):
        return None
    values = (column.parts if _several(column) else column.plain).head(_PROBED)
    share = items.holds(key.name, values)
    people = max((user_score(c) for c in log.columns.values() if c is not column), default=0.0)
    if share < 0.3 or people < 0.05 or not _describes_items(column, items, key):
        return None
    covered = len(values) * share / max(1, len(key.distinct))
    score = 0.4 * share + 0.1 * min(1.0, covered) + 0.15 * hint(column.name, "item")
    score += 0.15 * likeness(column.name, key.name, tokens(items.stem)) + 0.15 * people
    score -= 0.4 * hint(column.name, "user") + 0.2 * hint(column.name, "links")
    score += 0.3 * catalogue_score(items, key) + 0.25 * log_score(log, {column.name})
    return Match(log, column.name, items, key.name, share, score, scenario)


def _describes_items(column: Column, items: Table, key: Column) -> bool:
    """Return whether a table whose ids a log names could be of items: it has words, or a name says so."""
    named = max(hint(column.name, "item"), hint(key.name, "item"), hint(items.stem, "items_file"))
    return named > 0 or catalogue_score(items, key) > 0.05


def _several(column: Column) -> bool:
    return column.kind == "list" or looks_split(column)


def _lone(table: Table) -> list[Match]:
    matches = []
    for column in table.columns.values():
        people = max((user_score(c) for c in table.columns.values() if c is not column), default=0.0)
        score = item_score(column, table) + 0.3 * people + 0.2 * log_score(table, {column.name})
        if item_score(column, table) > 0.2 and people > 0.05:
            matches.append(Match(table, column.name, table, column.name, 1.0, score, _own_scenario(table)))
    return matches


def _is_key_within(table: Table, key: Column, scenario: str) -> bool:
    if not key.is_code or key.filled < 0.99 or key.unique < 0.5:
        return False
    return table.sample.select(key.name, scenario).n_unique() > 0.95 * table.sample.height


def shared_scenario(log: Table, items: Table) -> str | None:
    """Return the column of few values, named like a scenario, that both tables have."""
    for name in log.columns:
        if name in items.columns and _parts_scenarios(log, name) and _parts_scenarios(items, name):
            mine = set(log.distinct(name, _MAX_SCENARIOS))
            theirs = set(items.distinct(name, _MAX_SCENARIOS))
            if 2 <= len(mine & theirs) <= _MAX_SCENARIOS and mine <= theirs:
                return name
    return None


def _own_scenario(table: Table) -> str | None:
    for name in table.columns:
        if _parts_scenarios(table, name) and 2 <= len(table.distinct(name, _MAX_SCENARIOS)) <= _MAX_SCENARIOS:
            return name
    return None


def _parts_scenarios(table: Table, name: str) -> bool:
    column = table.columns[name]
    few = column.kind in ("text", "flag") and 1 <= len(column.distinct) <= _MAX_SCENARIOS and column.words < 4
    return few and column.filled > 0.99 and hint(name, "scenario") >= 0.8


def draft_scenario(name: str, match: Match, tables: Sequence[Table]) -> ScenarioDraft:
    """Draft one scenario from a match; `tables` may hold one of its users."""
    item = Guess(match.item, _sureness(match), _reason(match), _other_items(match))
    events = event_columns(match.events, item, match.share, match.scenario)
    user = events.guesses["user"]
    used = TableDraft(match.events, events.guesses).used
    used |= {match.scenario} if match.scenario else set()
    items = _items_draft(match, used, str(user.value), tables)
    users = _users_draft(match, user, used | _described(items), tables)
    log = TableDraft(match.events, events.guesses, questions=events.questions)
    parting = {match.scenario} if match.scenario else set()
    if match.lone:
        log = _listing_unused(log, {*parting, *items.used, *(users.used if users else ())}, True)
    else:
        mine = users.used if users is not None and users.table is match.events else set()
        log = _listing_unused(log, {*parting, *mine}, True)
        items = _listing_unused(items, parting, False)
    if users is not None and users.table is not match.events:
        users = _listing_unused(users, set(), False)
    spare = _spare(tables, [log, items, *([] if users is None else [users])])
    knowledge, entities = (None, None) if match.lone else knowledge_draft(items.table, match.key, spare)
    seen = events.actions
    coded = len(seen) > 2 and all(action.isdigit() for action in seen)  # of which nobody knows the meaning
    strong = seen if coded else tuple(a for a in seen if a.lower() not in PASSIVE)
    passive = {a: 0.0 for a in seen if a.lower() in WORTHLESS and not coded}
    return ScenarioDraft(
        name,
        items,
        log,
        users,
        links_draft(match.events, str(user.value), spare),
        knowledge,
        entities,
        template_of(dict(items.guesses), items.table),
        strong if strong and len(strong) < len(seen) else (),
        passive if strong else {},
        seen,
    )


def _spare(tables: Sequence[Table], drafts: Sequence[TableDraft]) -> list[Table]:
    """Return the tables that no draft stands on."""
    used = {draft.table.key for draft in drafts}
    for draft in drafts:
        table = draft.table
        used |= {other.key for other, _ in table.joined} if isinstance(table, WideTable) else set()
    return [table for table in tables if table.key not in used]


def _listing_unused(draft: TableDraft, used: set[str], events: bool) -> TableDraft:
    names = used | draft.used | _joined_on(draft.table)
    return replace(draft, hints=(*draft.hints, *unused_columns(draft.table, names, events)))


def _joined_on(table: Table) -> set[str]:
    return {on for _, on in table.joined} if isinstance(table, WideTable) else set()


def _items_draft(match: Match, used: set[str], user: str, tables: Sequence[Table]) -> TableDraft:
    skip = {match.scenario} if match.scenario else set()
    if match.lone:
        key = Guess(match.key, _sureness(match), "the events' item column")
        guesses = items_among_events(match.items, key, used, user)
        return TableDraft(match.items, guesses, _present(match.items, match.key))
    unique = match.items.columns[match.key].unique
    why = (
        "no value occurs twice"
        if unique == 1 or match.scenario
        else f"{unique:.1%} of its values are different"
    )
    key = Guess(match.key, _sureness(match), f"{why}; the events name them")
    table = with_lookups(match.items, [table for table in tables if table.key != match.events.key])
    return TableDraft(table, item_columns(table, key, skip | _joined_on(table)))


def _described(items: TableDraft) -> set[str]:
    return {*items.columns("text"), *items.columns("categorical"), *items.columns("numeric")}


def _users_draft(match: Match, user: Guess, used: set[str], tables: Sequence[Table]) -> TableDraft | None:
    if user.sure < 0.2:
        return None
    column = match.events.columns[str(user.value)]
    best: tuple[float, Table, str] | None = None
    for table in tables:
        if table is match.events or table is match.items:
            continue
        for key in table.columns.values():
            if not is_key(key):
                continue
            share = table.holds(key.name, column.plain.head(_PROBED))
            alike = max(likeness(column.name, key.name, tokens(table.stem)), hint(table.stem, "users_file"))
            score = 0.5 * share + 0.5 * alike - 0.4 * hint(key.name, "item")
            if share > 0.5 and alike > 0.4 and (best is None or score > best[0]):
                best = (score, table, key.name)
    if best is not None:
        known = Guess(best[2], min(0.98, best[0]), "the events' users are among its values")
        guesses = user_columns(best[1], known)
        return TableDraft(best[1], guesses) if len(guesses) > 1 else None
    own = users_among_events(match.events, user, used)
    if own is None:
        return None
    return TableDraft(match.events, own, _present(match.events, column.name))


def _present(table: Table, column: str) -> str | None:
    """Return the filter that leaves out rows without an id, where there are such rows."""
    return f"{quoted(column)} is not null" if table.columns[column].filled < 1.0 else None


def _sureness(match: Match) -> float:
    if match.lone:
        return min(0.95, 0.3 + 0.6 * match.score)
    return min(0.99, 0.4 * match.share + 0.45 * match.score + 0.1)


def _reason(match: Match) -> str:
    if match.lone and is_label(match.events.columns[match.item]):
        return "words that come again, as names of goods do"
    if match.lone:
        return "its value fixes the words of the row" if match.score > 0.7 else "its name and that it repeats"
    held = "all" if match.share == 1 else f"{match.share:.1%}"
    return f"{held} of its values are in {shown(match.key, 40)} of {match.items.name}"


def _other_items(match: Match) -> tuple[str, ...]:
    columns = match.events.columns.values()
    others = (c for c in columns if c.name != match.item and c.is_code and not is_derived(c.name))
    return tuple(c.name for c in others if hint(c.name, "item") > 0 and not hint(c.name, "value"))[:3]
