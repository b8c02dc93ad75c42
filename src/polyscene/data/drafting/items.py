"""Guesses about the columns of a catalogue and of a table of users, and the text template that follows."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from polyscene.core.text import shown
from polyscene.data.drafting import times
from polyscene.data.drafting.columns import Column, id_of, share_of
from polyscene.data.drafting.draft import Guess
from polyscene.data.drafting.evidence import (
    determines,
    is_address,
    is_index,
    is_label,
    many_labels,
    text_score,
)
from polyscene.data.drafting.names import has_id_word, hint, tokens
from polyscene.data.drafting.tables import Table

_MAX_TEXTS, _MAX_ATTRIBUTES = 4, 12
_WORDY = 0.35
"""A text score above which a column is for reading."""
_FIXED, _FIXED_WORDS = 0.6, 0.75
_SAME = 0.95
"""A column whose value is known this well from an id describes what the id names."""


def item_columns(table: Table, key: Guess, skip: Collection[str] = ()) -> dict[str, Guess]:
    """Guess the columns of a catalogue of its own, without the columns in `skip`."""
    lists = tuple(name for name in table.settings.one_hot if name not in skip)
    rest = [column for name, column in table.columns.items() if name not in {*skip, *lists, key.value}]
    guesses = {"id": key, **_texts(rest), **_attributes(rest)}
    if lists:
        others = guesses["categorical"].value if "categorical" in guesses else ()
        both = (*lists, *(others if isinstance(others, tuple) else ()))
        guesses["categorical"] = Guess(both, 0.8, "few different values")
    _add_time(guesses, rest)
    return {**guesses, **_repeated(table, [str(key.value), *skip])}


def _repeated(table: Table, key: Sequence[str]) -> dict[str, Guess]:
    """Guess what is to be done about ids that occur again."""
    ids = table.sample.select(id_of(name) for name in dict.fromkeys(key))
    share = 1 - ids.n_unique() / ids.height
    return {"on_duplicate": Guess("first", 0.7, f"{share:.1%} of the rows repeat an id")} if share else {}


def items_among_events(table: Table, key: Guess, used: Collection[str], user: str) -> dict[str, Guess]:
    """Guess what a log says of its items: columns that the item's id fixes and the user's does not."""
    rest = []
    for name, column in table.columns.items():
        if name in {*used, key.value} or column.kind in ("list", "other", "empty"):
            continue
        by_item, by_user = (
            determines(table.sample, str(key.value), name),
            determines(table.sample, user, name),
        )
        fixed = _FIXED if hint(name, "attribute") > 0 else _FIXED_WORDS
        if by_item > fixed and by_item > by_user and column.kind != "time" and not is_index(column):
            rest.append(column)
    guesses = {"id": key, **_texts(rest), **_attributes(rest)}
    holder = table.columns[str(key.value)]
    if not guesses["text"].value and is_label(holder):
        guesses["text"] = Guess((holder.name,), 0.9, "the ids are words themselves")
    guesses["on_duplicate"] = Guess(
        "first", 0.9, "the catalogue is read from the events: one row per item is kept"
    )
    return guesses


def users_among_events(table: Table, user: Guess, used: Collection[str]) -> dict[str, Guess] | None:
    """Guess what an event table says of its users, or None where it says nothing."""
    rest = []
    for name, column in table.columns.items():
        if name in {*used, user.value} or column.kind not in ("text", "number", "flag") or column.words > 4:
            continue
        if len(column.distinct) > 1 and determines(table.sample, str(user.value), name) > 0.9:
            rest.append(column)
    attributes = _attributes(rest)
    if not attributes:
        return None
    kept = Guess("first", 0.9, "read from the events: one row per user is kept")
    return {"id": user, **attributes, "on_duplicate": kept}


def user_columns(table: Table, key: Guess, skip: Collection[str] = ()) -> dict[str, Guess]:
    """Guess the columns of a table of users."""
    rest = [column for name, column in table.columns.items() if name not in {*skip, key.value}]
    guesses = _attributes(rest, words=True)
    return {"id": key, **guesses, **(_repeated(table, [str(key.value), *skip]) if guesses else {})}


def template_of(guesses: dict[str, Guess], table: Table) -> str | None:
    """Return a sentence pattern over the text and label columns, or None where a name cannot stand in one."""
    texts, labels = _names(guesses, "text"), _names(guesses, "categorical")
    named_labels = [name for name in labels if _is_telling(table.columns[name])][:3]
    texts = tuple(name for name in texts if _can_stand(name))
    if not texts:
        return None
    parts = ["{" + texts[0] + "}", *("{" + name + "}" for name in texts[1:])]
    parts += [
        f"{' '.join(tokens(name)).capitalize()}: {{{name}}}" for name in named_labels if _can_stand(name)
    ]
    return ". ".join(parts) + ("." if len(parts) > 1 else "")


def _can_stand(name: str) -> bool:
    """Return whether a template can name the column."""
    return bool(name.strip()) and not name.isdigit() and re.search(r"[.\[\]{}:!]", name) is None


def _is_telling(column: Column) -> bool:
    hashes = column.distinct.head(50).str.contains(r"^[0-9a-fA-F-]{12,}$").mean()
    return column.letters > 0.5 and not hashes


def _names(guesses: dict[str, Guess], key: str) -> tuple[str, ...]:
    guess = guesses.get(key)
    return guess.value if guess is not None and isinstance(guess.value, tuple) else ()


def _texts(columns: Iterable[Column]) -> dict[str, Guess]:
    scored = [(text_score(column) + 1.0 * hint(column.name, "title"), column) for column in columns]
    scored = sorted(((s, c) for s, c in scored if s > _WORDY and not _is_label(c)), key=lambda pair: -pair[0])
    if not scored:
        why = "no column reads like words; the language model has nothing to read"
        return {"text": Guess((), 0.2, why)}
    names = tuple(column.name for column in _different(column for _, column in scored)[:_MAX_TEXTS])
    first = scored[0][1]
    why = f"{first.words:.1f} words per value in {shown(first.name, 40)}"
    return {"text": Guess(names, min(0.98, 0.35 + scored[0][0]), why)}


def _different(columns: Iterable[Column]) -> list[Column]:
    """Return the columns without those that say what an earlier one says already."""
    kept: list[Column] = []
    for column in columns:
        if column.kind == "list" or not any(_says_the_same(column, other) for other in kept):
            kept.append(column)
    return kept


def _says_the_same(column: Column, other: Column) -> bool:
    return other.kind != "list" and share_of(column.text == other.text) >= _SAME


def _is_label(column: Column) -> bool:
    """Return whether a text is one of few labels rather than words of the item's own."""
    if hint(column.name, "title") >= 0.8:
        return False
    few = column.unique < 0.2 and column.words < 4 and not hint(column.name, "text")
    return few or many_labels(column)


def _attributes(columns: Sequence[Column], words: bool = False) -> dict[str, Guess]:
    labels, numbers = [], []
    for column in columns:
        if len(column.distinct) < 2 or column.filled < 0.02 or is_address(column):
            continue
        if column.kind == "number" and not (has_id_word(column.name) or column.unit):
            numbers.append(column.name)
        elif column.kind == "flag" or (_is_category(column) and (words or not _is_words(column))):
            labels.append(column.name)
        elif column.kind == "number" and column.repeat >= 2 and hint(column.name, "attribute") > 0:
            labels.append(column.name)  # the number of a category, a brand
    guesses: dict[str, Guess] = {}
    strays = tuple(
        dict.fromkeys(stray for column in columns if column.name in numbers for stray in column.strays)
    )
    if strays:
        guesses["null_values"] = Guess(strays, 0.8, "the texts among its numbers")
    if labels:
        guesses["categorical"] = Guess(tuple(labels[:_MAX_ATTRIBUTES]), 0.8, "few different values")
    if numbers:
        guesses["numeric"] = Guess(tuple(numbers[:_MAX_ATTRIBUTES]), 0.85, "numbers")
    return guesses


def _is_words(column: Column) -> bool:
    return text_score(column) > _WORDY and not _is_label(column)


def _is_category(column: Column) -> bool:
    if column.kind not in ("text", "list"):
        return False
    return many_labels(column) or (column.unique < 0.5 and column.words < 6 and column.chars < 80)


def _add_time(guesses: dict[str, Guess], columns: Iterable[Column]) -> None:
    dated = [
        column
        for column in columns
        if (column.kind == "time" or (column.unit and hint(column.name, "available")))
        and not times.before_1970(column.values, column.time_format)
    ]
    if not dated:
        return
    best = max(dated, key=lambda column: hint(column.name, "available"))
    others = tuple(column.name for column in dated if column is not best)[:3]
    named = hint(best.name, "available")
    guesses["time"] = Guess(best.name, 0.6 + 0.35 * named, "when the item became available", others)
    if best.told_format:
        guesses["time_format"] = Guess(best.told_format, 0.9, "how it is written")
