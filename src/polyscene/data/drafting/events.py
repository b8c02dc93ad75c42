"""Guesses about the columns of an event table."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import polars as pl

from polyscene.data.drafting.columns import Column, as_ids, share_of
from polyscene.data.drafting.draft import Guess
from polyscene.data.drafting.evidence import (
    VERBS,
    determines,
    is_chance,
    is_derived,
    is_index,
    looks_split,
    user_score,
)
from polyscene.data.drafting.names import has_id_word, hint
from polyscene.data.drafting.tables import Table
from polyscene.data.drafting.when import guess_time, not_understood, sequence
from polyscene.data.reading.scales import Scale, is_rating, scale_of

PARTS = frozenset({"train", "valid", "test", "context"})
_MAX_ACTIONS, _MAX_CODES = 30, 10
_OF_THE_ITEM = 0.97
"""From here on a number is one of the item's own, such as how long a film is."""
_RATED, _MIN_KEPT, _MAX_TIMELESS = 0.95, 0.15, 0.05


@dataclass(frozen=True)
class EventColumns:
    """The guesses for one event table, what its actions are, and what a person has to decide."""

    guesses: dict[str, Guess]
    actions: tuple[str, ...] = ()
    questions: dict[str, tuple[str, ...]] = field(default_factory=dict)


_ORDER = ("user", "item", "items", "action", "value", "liked_from", "time", "time_format", "split", "where")


def event_columns(table: Table, item: Guess, known: float, scenario: str | None = None) -> EventColumns:
    """Guess the columns of `table`, whose item column is `item`.

    Args:
        table: the events.
        item: the guess for the column with items.
        known: share of its values that the catalogue holds.
        scenario: the column that names the scenario, where there is one.
    """
    holder = table.columns[str(item.value)]
    used = {holder.name} | ({scenario} if scenario else set())
    several = holder.kind == "list" or looks_split(holder)
    user = guess_user(table, used)
    used.add(str(user.value))
    guesses = {"user": user, "items" if several else "item": item}
    _take(guesses, "split", _split(table, used), used)
    _take(guesses, "action", None if several else _action(table, used), used)
    who = [str(user.value), *([scenario] if scenario else [])]
    when = guess_time(table, used, who) or sequence(table, used, who)
    if when is not None:
        guesses.update(when.guesses)
        used |= set(when.columns)
    _take(guesses, "value", None if several else _value(table, used, holder.name), used)
    guesses.update(_repairs(table, user, holder, known, 0.0 if when is None else when.unread))
    questions = {} if when is not None else {"time": not_understood(table, used)}
    _add_choices(table, guesses, questions)
    guesses = {key: guesses[key] for key in (*_ORDER, "on_unknown_item", "on_bad_row") if key in guesses}
    actions = _actions(table, str(guesses["action"].value)) if "action" in guesses else ()
    return EventColumns(guesses, actions, {key: lines for key, lines in questions.items() if lines})


def _add_choices(table: Table, guesses: dict[str, Guess], questions: dict[str, tuple[str, ...]]) -> None:
    """Guess which events are no choices by their value: low grades, and returns."""
    value = guesses.get("value")
    column = None if value is None else table.columns[str(value.value)]
    if column is None:
        return
    if column.low < 0:
        questions["where"] = _about_returns(column)
        return
    scale = scale_of(column.numbers)
    if scale is None or not (is_rating(column.name) or column.says_nothing):
        return
    words = f"grades from {scale.low:g} to {scale.high:g}"
    kept = f"{scale.kept * column.filled:.1%} of the rows"
    if scale.zero_is_none:
        words += f", {scale.zeros:.0%} of them 0, which may mean 'not rated'"
    by_action = "action" in guesses
    if by_action or scale.zero_is_none or column.says_nothing or not _decides(scale, column):
        counts = "whatever the grade, an action counts" if by_action else "each row counts as a choice"
        questions["liked_from"] = (
            f"{words}, and {counts}; to count only what was liked ({kept}), the rest as had:",
            f"liked_from = {scale.liked}",
        )
    elif scale.kept < 1.0:
        why = (
            f"{words}: what was liked is a choice ({kept}), the rest was had; {scale.low:g} makes all choices"
        )
        guesses["liked_from"] = Guess(scale.liked, 0.7, why)


def _decides(scale: Scale, column: Column) -> bool:
    """Return whether the grades alone may decide what is a choice: every row has one, and enough are left."""
    return column.filled >= _RATED and scale.kept >= _MIN_KEPT


def _about_returns(column: Column) -> tuple[str, ...]:
    name, share = quoted(column.name), share_of(column.numbers.drop_nulls() < 0)
    words = f"some values of {name} are negative ({_share(share)}; returns?); to leave them out:"
    return words, f"where = '{name} > 0'" if "'" not in name else "where = …"


def _actions(table: Table, column: str) -> tuple[str, ...]:
    values = pl.Series(table.distinct(column, _MAX_ACTIONS), dtype=pl.String)
    return tuple(as_ids(values).unique(maintain_order=True).sort())


def guess_user(table: Table, used: Collection[str]) -> Guess:
    """Guess who acted; where nobody is named, the least unlikely column, to be decided."""
    ranked = sorted(
        ((_acts(column, table, used), column) for name, column in table.columns.items() if name not in used),
        key=lambda pair: -pair[0],
    )
    instead = tuple(column.name for score, column in ranked[1:] if score > 0.3)[:3]
    if ranked and ranked[0][0] > 0.2:
        score, column = ranked[0]
        named = "its name" if hint(column.name, "user") else "its values repeat like ids"
        why = f"{named}; {len(column.distinct):,} different, {column.repeat:.1f} rows each"
        if not hint(column.name, "user") and hint(column.name, "session"):
            return Guess(column.name, 0.45, f"a visit or an order rather than a person; {why}", instead)
        sure = _calibrated(score) if hint(column.name, "user") else min(0.45, _calibrated(score))
        return Guess(column.name, sure, why, instead)
    rest = [c for c in table.columns.values() if c.name not in used and c.kind in ("text", "number")]
    rest.sort(key=lambda c: (-hint(c.name, "user"), not c.is_code, -len(c.distinct)))
    names = [column.name for column in rest] or list(table.columns)
    return Guess(names[0], 0.1, "no column looks like the people who act", tuple(names[1:4]))


def _acts(column: Column, table: Table, used: Collection[str]) -> float:
    """Return how much a column looks like who acted; one that the item decides is a second id of the item."""
    score = user_score(column)
    if score <= 0.1 or hint(column.name, "user"):
        return score
    return score - 0.15 * any(determines(table.sample, name, column.name) > 0.9 for name in used)


def _take(guesses: dict[str, Guess], key: str, guess: Guess | None, used: set[str]) -> None:
    if guess is not None:
        guesses[key] = guess
        used.add(str(guess.value))


def _calibrated(score: float) -> float:
    return min(0.99, 0.25 + 0.8 * score) if score > 0.25 else score


def _split(table: Table, used: Collection[str]) -> Guess | None:
    for name, column in table.columns.items():
        if name in used or column.kind != "text" or len(column.distinct) > len(PARTS):
            continue
        values = set(table.distinct(name, len(PARTS)))
        named = hint(name, "split") > 0
        if values <= PARTS and "train" in values and (named or len(values) > 1):
            return Guess(name, 0.97 if named else 0.9, "its values are " + ", ".join(sorted(values)))
    return None


def _action(table: Table, used: Collection[str]) -> Guess | None:
    scored = []
    for name, column in table.columns.items():
        coded = column.kind == "number" and column.whole and hint(name, "action") >= 0.8
        kinds = ("text", "flag", "number") if coded else ("text", "flag")
        few = 1 <= len(column.distinct) <= (_MAX_CODES if coded else _MAX_ACTIONS)
        if name in used or column.kind not in kinds or not few:
            continue
        if column.words > 2.5:
            continue
        kind = hint(name, "flag") if column.kind == "flag" else hint(name, "action")
        verbs = share_of(column.distinct.str.to_lowercase().is_in(list(VERBS)))
        score = 0.6 * kind + (0.0 if column.kind == "flag" else 0.4 * verbs)
        score -= 0.3 * (hint(name, "time") > 0 and verbs == 0)
        scored.append((score + 0.25 * (column.kind == "flag" and kind > 0), column))
    scored = sorted(((s, c) for s, c in scored if s >= 0.35), key=lambda pair: -pair[0])
    if not scored:
        return None
    score, column = scored[0]
    why = f"{len(column.distinct)} different words: {column.examples()}"
    if column.kind == "number":
        why = f"codes whose meaning is not said: {column.examples(_MAX_CODES)}; weigh them in 'actions'"
        return Guess(column.name, 0.45, why, tuple(c.name for _, c in scored[1:3]))
    if column.kind == "flag":
        why = "one of two values; each becomes an action of that name"
    return Guess(column.name, min(0.98, score + 0.1), why, tuple(c.name for _, c in scored[1:3]))


def _value(table: Table, used: Collection[str], item: str) -> Guess | None:
    scored = []
    for name, column in table.columns.items():
        if name in used or column.kind != "number" or len(column.distinct) < 2:
            continue
        if (
            is_chance(name)
            or is_index(column)
            or column.unit
            or (has_id_word(name) and not hint(name, "value"))
        ):
            continue
        if any(hint(name, kind) > 0 for kind in ("sequence", "session", "attribute", "user", "person")):
            continue
        named = hint(name, "value")
        graded = len(column.distinct) <= 21 and column.low >= 0 and column.high <= 100
        unnamed = 0.37 * column.says_nothing
        scored.append((max(unnamed, 0.85 * named + 0.15 * graded + 0.25 * (graded and not named)), column))
    scored = [(s, c) for s, c in scored if s >= 0.35 and (_grades(c) or not _of_the_item(table, item, c))]
    scored.sort(key=lambda pair: -pair[0])
    if not scored:
        return None
    score, column = scored[0]
    why = f"numbers from {column.low:g} to {column.high:g}"
    if _of_the_item(table, item, column):
        score, why = min(score, 0.6), f"{why}, the same from everybody for one item"
    return Guess(column.name, min(0.97, score), why, tuple(c.name for _, c in scored[1:3]))


def _grades(column: Column) -> bool:
    """Return whether a column holds grades, by its name and its values."""
    return is_rating(column.name) and not is_derived(column.name) and scale_of(column.numbers) is not None


def _of_the_item(table: Table, item: str, column: Column) -> bool:
    return determines(table.sample, item, column.name) >= _OF_THE_ITEM


def _repairs(table: Table, user: Guess, item: Column, known: float, timeless: float) -> dict[str, Guess]:
    guesses: dict[str, Guess] = {}
    if known < 1.0:
        why = f"{_share(1 - known)} of the items it names are not in the catalogue"
        guesses["on_unknown_item"] = Guess("drop", 0.8, why)
    empty = 1 - min(table.columns[str(user.value)].filled, item.filled)
    reasons = [f"{_share(empty)} of the rows looked at lack a user or an item"] if empty > 0 else []
    reasons += (
        [f"{_share(timeless)} of the rows looked at have no time that can be read"] if timeless > 0 else []
    )
    if reasons:
        sure = 0.8 if timeless <= _MAX_TIMELESS else 0.45
        guesses["on_bad_row"] = Guess("drop", sure, "; ".join(reasons))
    return guesses


def _share(share: float) -> str:
    return f"{share:.1%}" if share >= 0.0005 else "a few"


def quoted(column: str) -> str:
    """Return a column as SQL names it."""
    plain = column.isidentifier() and column.isascii()
    return column if plain else '"' + column.replace('"', '""') + '"'
