"""Which tables are links between people, and which make a knowledge graph: found by their names and ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from polyscene.core.text import shown
from polyscene.data.drafting.columns import Column
from polyscene.data.drafting.draft import Guess, TableDraft
from polyscene.data.drafting.names import hint, tokens
from polyscene.data.drafting.tables import Table

_PROBED = 20_000
_MAX_COLUMNS = 6
"""A table of links or triples has few columns."""
_ENOUGH, _SOME = 0.5, 0.2
_FRIENDS = frozenset({"friend", "friendship", "follow", "follower", "followee", "trust", "trustee", "social"})
_FOLLOWING = frozenset({"follow", "follower", "followee", "following", "trust", "trustee"})
_HEADS = frozenset({"head", "subject", "source", "from", "h", "s"})
_TAILS = frozenset({"tail", "object", "target", "to", "t", "o"})
_RELATIONS = frozenset({"relation", "predicate", "property", "rel", "r", "p"})
_WEIGHTS = frozenset({"weight", "strength"})


def links_draft(events: Table, user: str, used: Sequence[Table]) -> TableDraft | None:
    """Return the draft of a table with two columns of the events' users, where its names say links too.

    Args:
        events: the log.
        user: its column of users.
        used: the tables to look at, those among them that are something else already left out.
    """
    best: tuple[float, TableDraft] | None = None
    for table in used:
        draft = _as_links(table, events, user)
        if draft is not None and (best is None or draft[0] > best[0]):
            best = draft
    return None if best is None else best[1]


def _as_links(table: Table, events: Table, user: str) -> tuple[float, TableDraft] | None:
    if len(table.columns) > _MAX_COLUMNS:
        return None
    shares = {
        name: events.holds(user, column.plain.head(_PROBED))
        for name, column in table.columns.items()
        if column.is_code and column.filled > 0.9
    }
    both = sorted((name for name in shares if shares[name] >= _ENOUGH), key=lambda name: -_is_end(name))[:2]
    words = {word for name in [*both, table.stem] for word in tokens(name)}
    if len(both) < 2 or not words & _FRIENDS:
        return None
    friend = both[0]
    mine = next(name for name in both if name != friend)
    share = min(shares[name] for name in both)
    why = f"{share:.0%} of its values are users of the events"
    guesses = {"user": Guess(mine, min(0.95, share), why), "friend": Guess(friend, min(0.95, share), why)}
    for name, column in table.columns.items():
        if name not in both and column.kind == "number" and set(tokens(name)) & _WEIGHTS:
            guesses["weight"] = Guess(name, 0.7, "its name")
    hints = ("directed = true where a link tells of its user only",) if words & _FOLLOWING else ()
    return share, TableDraft(table, guesses, hints=hints)


def _is_end(name: str) -> int:
    """Return whether a column's name is that of the other person."""
    return int(bool(set(tokens(name)) & _FRIENDS) or hint(name, "links") > 0)


def knowledge_draft(
    items: Table, key: str, tables: Sequence[Table]
) -> tuple[TableDraft | None, TableDraft | None]:
    """Return the draft of a table of triples, and that of the items' entities where they need one; or None.

    Args:
        items: the catalogue.
        key: its column of ids.
        tables: those that are nothing else.
    """
    for table in tables:
        ends = _ends(table)
        if ends is None:
            continue
        head, tail = ends
        relation = _named(table, _RELATIONS)
        why = "its name, in a table of head and tail"
        guesses = {"head": Guess(head.name, 0.85, why)}
        if relation is not None:
            guesses["relation"] = Guess(relation.name, 0.85, why)
        guesses["tail"] = Guess(tail.name, 0.85, why)
        draft = TableDraft(table, guesses)
        known = items.columns[key].plain.head(_PROBED)
        if max(table.holds(end.name, known) for end in ends) >= _SOME:
            return draft, None
        entities = next(_entities(items, key, table, ends, tables), None)
        if entities is not None:
            return draft, entities
    return None, None


def _ends(table: Table) -> tuple[Column, Column] | None:
    if len(table.columns) > _MAX_COLUMNS:
        return None
    head, tail = _named(table, _HEADS), _named(table, _TAILS)
    return None if head is None or tail is None or head is tail else (head, tail)


def _named(table: Table, words: frozenset[str]) -> Column | None:
    return next((column for name, column in table.columns.items() if set(tokens(name)) & words), None)


def _entities(
    items: Table, key: str, triples: Table, ends: tuple[Column, Column], tables: Sequence[Table]
) -> Iterator[TableDraft]:
    for table in (*(one for one in tables if one is not triples), items):
        for item in table.columns.values():
            whose = 1.0 if table is items and item.name == key else items.holds(key, item.plain.head(_PROBED))
            if whose < _ENOUGH or (table is items and item.name != key):
                continue
            for entity in table.columns.values():
                if entity is item or not entity.is_code:
                    continue
                share = max(triples.holds(end.name, entity.plain.head(_PROBED)) for end in ends)
                if share >= _ENOUGH:
                    why = f"{share:.0%} of its values are in {shown(triples.name)}"
                    yield TableDraft(
                        table,
                        {
                            "item": Guess(item.name, min(0.95, whose), "ids of the catalogue"),
                            "entity": Guess(entity.name, min(0.95, share), why),
                        },
                    )
