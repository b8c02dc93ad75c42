"""Tables seen with the columns that settings can add: one list of many columns of 0 and 1, joined tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby

import polars as pl

from polyscene.core.settings.tables import TableSettings
from polyscene.data.drafting.columns import Column, as_ids, id_of, share_of
from polyscene.data.drafting.evidence import VERBS, is_derived, is_key, text_score, user_score
from polyscene.data.drafting.names import has_id_word, hint, tokens
from polyscene.data.drafting.tables import Table
from polyscene.data.tables.added import added_columns, matching

_MIN_ALIKE, _MIN_NEIGHBOURS = 4, 8
_MAX_YES = 0.5
"""The mean share of ones among columns that are one list."""
_STATES = frozenset({"is", "has", "was", "num"})
_HELD = 0.9
"""The share of a column's ids that a joined table has to hold."""
_MAX_JOINED_ROWS = 5_000_000
_KEY = "#key"


@dataclass(frozen=True, eq=False)
class WideTable(Table):
    """A table with columns that its settings, or tables joined to it, add.

    Attributes:
        joined: the tables, each with the column that both have.
    """

    joined: tuple[tuple[Table, str], ...] = ()

    def _glances(self) -> Iterator[pl.LazyFrame]:
        for frame in super()._glances():
            for other, on in self.joined:
                frame = _with_columns_of(frame, other, on)
            added = added_columns(self.settings, dict(frame.collect_schema()), self.name)
            yield frame.with_columns(added)


def widened(table: Table) -> Table:
    """Return a table with its columns of 0 and 1 as lists, and its decimal commas known."""
    lists = one_hot_lists(table)
    comma = any(column.comma for column in table.columns.values())
    if not lists and not comma:
        return table
    settings = table.settings.model_copy(update={"one_hot": lists, "decimal": "," if comma else "."})
    plain = settings.model_copy(update={"decimal": "."})
    sample = table.sample.with_columns(added_columns(plain, dict(table.sample.schema), table.name))
    members = [name for patterns in lists.values() for name in matching(patterns, table.columns)]
    reasons = {
        **table.reasons,
        "one_hot": "columns of 0 and 1 that are one list",
        "decimal": "numbers such as 3,5",
    }
    return _wide(replace(table, reasons=reasons), settings, sample.drop(members))


def _wide(
    table: Table, settings: TableSettings, sample: pl.DataFrame, joined: tuple[tuple[Table, str], ...] = ()
) -> WideTable:
    parts = {field.name: getattr(table, field.name) for field in fields(Table)}
    return WideTable(**{**parts, "settings": settings, "sample": sample}, joined=joined)


def one_hot_lists(table: Table) -> dict[str, list[str]]:
    """Return the columns of 0 and 1 that belong together, by the name of the list that they make."""
    lists: dict[str, list[str]] = {}
    flags = [name for name, column in table.columns.items() if _is_member(column)]
    by_prefix = {prefix: list(names) for prefix, names in groupby(sorted(flags, key=_prefix), key=_prefix)}
    for prefix, names in by_prefix.items():
        if prefix and len(names) >= _MIN_ALIKE and not _STATES & set(tokens(prefix)):
            pattern = prefix + "*"
            sole = sorted(matching([pattern], table.columns)) == sorted(names)
            name = prefix.rstrip("_-.: ") or "traits"
            lists[name + "_list" if name in table.columns else name] = [pattern] if sole else names
    taken = {name for patterns in lists.values() for name in matching(patterns, table.columns)}
    for run in _runs(list(table.columns), set(flags) - taken):
        if len(run) >= _MIN_NEIGHBOURS and "traits" not in {*table.columns, *lists}:
            lists["traits"] = run
    few = (sum(_yes(table.columns[n]) for n in matching(p, table.columns)) for p in lists.values())
    sizes = (len(matching(p, table.columns)) for p in lists.values())
    shares = [total / size for total, size in zip(few, sizes, strict=True)]
    return {name: p for (name, p), share in zip(lists.items(), shares, strict=True) if share <= _MAX_YES}


def _is_member(column: Column) -> bool:
    if column.kind != "flag" and not (column.kind == "number" and set(column.distinct) <= {"0", "1"}):
        return False
    name = column.name
    other = any(hint(name, kind) > 0 for kind in ("flag", "person", "user", "value"))
    words = {word for word in tokens(name) if word.isalpha()}
    return not (words & VERBS or is_derived(name) or other)


def _yes(column: Column) -> float:
    return share_of(as_ids(column.text).str.to_lowercase().is_in(["1", "true", "yes", "t", "y"]))


def _prefix(name: str) -> str:
    place = max(name.rfind(sign, 0, len(name) - 1) for sign in "_-.: ")
    first = min((name.find(sign) for sign in "_-.: " if name.find(sign) > 0), default=place)
    return name[: first + 1] if first > 0 else ""


def _runs(names: Sequence[str], members: set[str]) -> Iterator[list[str]]:
    for inside, run in groupby(names, key=lambda name: name in members):
        if inside:
            yield list(run)


def with_joined_users(tables: Sequence[Table]) -> list[Table]:
    """Return the tables; a log that lacks its users stands there joined to the table that has them."""
    return [_with_users(table, tables) for table in tables]


def _with_users(table: Table, tables: Sequence[Table]) -> Table:
    if any(hint(name, "user") >= 0.6 and c.is_code for name, c in table.columns.items()):
        return table
    for other in tables:
        for key in other.columns.values() if other is not table else ():
            people = [c for c in other.columns.values() if c is not key and hint(c.name, "user") >= 0.8]
            if people and max(map(user_score, people)) > 0.3 and _meets(table, other, key):
                return joined(table, other, key.name)
    return table


def with_lookups(items: Table, tables: Sequence[Table]) -> Table:
    """Return a catalogue with the words of the small tables whose ids it holds (aisles, departments)."""
    for other in tables:
        if other.key == items.key or hint(other.stem, "users_file") == 1.0:
            continue
        for key in other.columns.values():
            worded = any(
                text_score(c) > 0.3 or c.letters > 0.5 for c in other.columns.values() if c is not key
            )
            mine = items.columns.get(key.name)
            again = mine is not None and mine.repeat > 1.02
            if worded and again and _meets(items, other, key):
                items = joined(items, other, key.name)
    return items


def _meets(table: Table, other: Table, key: Column) -> bool:
    """Return whether a table's column of the same name holds ids of the other's key."""
    mine = table.columns.get(key.name)
    if (
        mine is None
        or not (is_key(key) or _is_small_key(key))
        or not mine.is_code
        or not has_id_word(key.name)
    ):
        return False
    return other.holds(key.name, mine.plain) >= _HELD and len(set(other.columns) - set(table.columns)) > 0


def _is_small_key(key: Column) -> bool:
    return key.is_code and key.filled > 0.99 and key.unique > 0.99


def joined(table: Table, other: Table, on: str) -> WideTable:
    """Return a table with the columns of another that shares the column `on`."""
    frame = _with_columns_of(table.sample.lazy(), other, on).collect()
    before = table.joined if isinstance(table, WideTable) else ()
    return _wide(table, table.settings, frame, (*before, (other, on)))


def _with_columns_of(frame: pl.LazyFrame, other: Table, on: str) -> pl.LazyFrame:
    names = [name for name in other.columns if name not in frame.collect_schema()]
    key = id_of(on).alias(_KEY)
    rows = other.sample.lazy() if other.complete or not other.small else pl.concat(other._frames)
    rows = rows.select(key, *names).head(_MAX_JOINED_ROWS).unique(_KEY, keep="first", maintain_order=True)
    return frame.with_columns(key).join(rows, on=_KEY, how="left", maintain_order="left").drop(_KEY)
