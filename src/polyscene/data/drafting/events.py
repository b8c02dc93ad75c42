"""Guesses about the columns of an event table."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import polars as pl

from polyscene.core.text import shown
from polyscene.data.drafting.columns import Column, as_ids, share_of
from polyscene.data.drafting.draft import Guess
from polyscene.data.drafting.evidence import is_chance, looks_split, user_score
from polyscene.data.drafting.names import hint
from polyscene.data.drafting.tables import Table

PARTS = frozenset({"train", "valid", "test", "context"})
_UNMOVED = """view impression shown show exposure expose skip dislike hide ignore pass no_click return refund
remove cancel unlike 0 false no n f none pv display"""
PASSIVE = frozenset(_UNMOVED.split())
"""Actions that do not say that somebody wanted something."""
WORTHLESS = PASSIVE - {"view", "pv"}
_MOVED = """click clicked like purchase buy cart addtocart add_to_cart order rating rate play watch listen
read share comment follow favourite favorite save bookmark subscribe download open visit answer ask
upvote downvote vote fav checkout transaction complete start wishlist collect search reply repost"""
_VERBS = PASSIVE | frozenset(_MOVED.split())
_MAX_ACTIONS = 30


@dataclass(frozen=True)
class EventColumns:
    """The guesses for one event table, and what its actions are."""

    guesses: dict[str, Guess]
    actions: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


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
    split = _split(table, used)
    _take(guesses, "split", split, used)
    _take(guesses, "action", None if several else _action(table, used), used)
    timed = _time(table, used) or _sequence(table, used, [str(user.value), *([scenario] if scenario else [])])
    if timed is not None:
        _take(guesses, "time", timed[0], used)
        if timed[1]:
            guesses["time_format"] = Guess(timed[1], timed[0].sure, "how it is written")
    _take(guesses, "value", None if several else _value(table, used), used)
    guesses.update(_repairs(table, user, holder, known))
    ordered = ("user", "item", "items", "action", "value", "time", "time_format", "split")
    guesses = {key: guesses[key] for key in (*ordered, "on_unknown_item", "on_bad_row") if key in guesses}
    actions = _actions(table, str(guesses["action"].value)) if "action" in guesses else ()
    return EventColumns(guesses, actions, tuple(_hints(table, guesses, used)))


def _actions(table: Table, column: str) -> tuple[str, ...]:
    values = pl.Series(table.distinct(column, _MAX_ACTIONS), dtype=pl.String)
    return tuple(as_ids(values).unique(maintain_order=True).sort())


def guess_user(table: Table, used: Collection[str]) -> Guess:
    """Guess who acted; where nobody is named, the least unlikely column, to be decided."""
    ranked = sorted(
        ((user_score(column), column) for name, column in table.columns.items() if name not in used),
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
        if name in used or column.kind not in ("text", "flag") or len(column.distinct) > _MAX_ACTIONS:
            continue
        if column.words > 2.5:
            continue
        kind = hint(name, "flag") if column.kind == "flag" else hint(name, "action")
        verbs = share_of(column.distinct.str.to_lowercase().is_in(list(_VERBS)))
        score = 0.6 * kind + (0.0 if column.kind == "flag" else 0.4 * verbs)
        scored.append((score + 0.25 * (column.kind == "flag" and kind > 0), column))
    scored = sorted(((s, c) for s, c in scored if s >= 0.35), key=lambda pair: -pair[0])
    if not scored:
        return None
    score, column = scored[0]
    why = f"{len(column.distinct)} different words: {column.examples()}"
    if column.kind == "flag":
        why = "one of two values; each becomes an action of that name"
    return Guess(column.name, min(0.98, score + 0.1), why, tuple(c.name for _, c in scored[1:3]))


def _time(table: Table, used: Collection[str]) -> tuple[Guess, str | None] | None:
    """Return the column that says when, and how it is written where that has to be said."""
    scored = []
    for name, column in table.columns.items():
        if name in used or column.filled < 0.3 or len(column.distinct) < 2:
            continue
        named = hint(name, "time")
        if column.kind == "time":
            scored.append((0.75 + 0.23 * named, column))
        elif column.unit is not None and column.kind == "number":
            scored.append((0.4 + 0.55 * named, column))
    scored.sort(key=lambda pair: -pair[0])
    if not scored or scored[0][0] < 0.4:
        return None
    score, column = scored[0]
    words = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}
    why = f"{words[column.unit]} since 1970" if column.unit else f"times such as {column.examples(1)}"
    instead = tuple(other.name for _, other in scored[1:3])
    return Guess(column.name, score, why, instead), column.told_format


def _sequence(table: Table, used: Collection[str], who: list[str]) -> tuple[Guess, str | None] | None:
    """Return a column that numbers the events of each user: 0, 1, 2 and so on."""
    best: tuple[float, Column] | None = None
    for name, column in table.columns.items():
        if (
            name in used
            or column.kind not in ("number", "flag")
            or not (column.whole or column.kind == "flag")
        ):
            continue
        score = 0.65 * _consecutive(table.sample, name, who) + 0.3 * hint(name, "sequence")
        if column.kind == "number" and not hint(name, "value"):
            score = max(score, 0.55 * hint(name, "time"))
        if score > 0.45 and (best is None or score > best[0]):
            best = (score, column)
    if best is None:
        return None
    why = "numbers that order a user's events, not points in time"
    return Guess(best[1].name, min(0.97, best[0] + 0.05), why), "sequence"


def _consecutive(sample: pl.DataFrame, name: str, who: list[str]) -> float:
    """Return the share of users (with two events or more) whose numbers run without gap from 0 or 1."""
    number = pl.col(name).cast(pl.Float64, strict=False)
    runs = (
        sample.filter(pl.col(who[0]).is_not_null())
        .group_by(who)
        .agg(
            number.min().alias("low"),
            number.max().alias("high"),
            number.n_unique().alias("n"),
            pl.len().alias("rows"),
        )
        .filter(pl.col("rows") > 1)
    )
    if runs.is_empty():
        return 0.0
    whole = (pl.col("n") == pl.col("rows")) & (pl.col("high") - pl.col("low") == pl.col("rows") - 1)
    return float(runs.select((whole & pl.col("low").is_in([0.0, 1.0])).mean()).item() or 0.0)


def _value(table: Table, used: Collection[str]) -> Guess | None:
    scored = []
    for name, column in table.columns.items():
        if name in used or column.kind != "number" or len(column.distinct) < 2:
            continue
        if is_chance(name) or any(
            hint(name, kind) > 0 for kind in ("sequence", "session", "attribute", "user", "person")
        ):
            continue
        named = hint(name, "value")
        graded = len(column.distinct) <= 21 and column.low >= 0 and column.high <= 100
        scored.append((0.85 * named + 0.15 * graded + 0.25 * (graded and not named), column))
    scored = sorted(((s, c) for s, c in scored if s >= 0.35), key=lambda pair: -pair[0])
    if not scored:
        return None
    score, column = scored[0]
    why = f"numbers from {column.low:g} to {column.high:g}"
    return Guess(column.name, min(0.97, score), why, tuple(c.name for _, c in scored[1:3]))


def _repairs(table: Table, user: Guess, item: Column, known: float) -> dict[str, Guess]:
    guesses: dict[str, Guess] = {}
    if known < 1.0:
        why = f"{_share(1 - known)} of the items it names are not in the catalogue"
        guesses["on_unknown_item"] = Guess("drop", 0.8, why)
    empty = 1 - min(table.columns[str(user.value)].filled, item.filled)
    if empty > 0:
        guesses["on_bad_row"] = Guess(
            "drop", 0.8, f"{_share(empty)} of the rows looked at lack a user or an item"
        )
    return guesses


def _share(share: float) -> str:
    return f"{share:.1%}" if share >= 0.0005 else "a few"


def _hints(table: Table, guesses: dict[str, Guess], used: Collection[str]) -> list[str]:
    lines = []
    value = guesses.get("value")
    if value is not None and table.columns[str(value.value)].low < 0:
        column = quoted(str(value.value))
        lines.append(f"DECIDE: some values of {column} are negative (returns?); to leave them out:")
        lines.append(f"where = '{column} > 0'" if "'" not in column else "where = …")
    rest = [shown(name, 40) for name in table.columns if name not in used]
    if rest:
        more = f" and {len(rest) - 8} more" if len(rest) > 8 else ""
        lines.append("not used: " + ", ".join(rest[:8]) + more)
    return lines


def quoted(column: str) -> str:
    """Return a column as SQL names it."""
    plain = column.isidentifier() and column.isascii()
    return column if plain else '"' + column.replace('"', '""') + '"'
