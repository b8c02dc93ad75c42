"""How strongly a column or a table speaks for a role: names and values in one score each."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable

import polars as pl

from polyscene.data.drafting.columns import Column, share_of
from polyscene.data.drafting.names import Hint, has_id_word, hint, tokens
from polyscene.data.drafting.tables import Table

_DERIVED = {"feature", "affinity", "embedding", "vector", "score", "count", "total", "mean", "avg", "num"}
_CHANCES = {"propensity", "probability", "prob", "pscore"}
_ROWS = 20_000
_INDEX_NAMES = r"|index|column|x|unnamed(: ?\d+)?(_level_\d+)?|\.*1|_+|row(_?(id|number|num|nr|index))?"
_MAX_WORDS_OF_A_NAME = 8
_FEW_LABELS = 8
_MAX_ACTIONS = 30
_UNMOVED = """view impression shown show exposure expose skip dislike hide ignore pass no_click return refund
remove cancel unlike 0 false no n f none pv display"""
PASSIVE = frozenset(_UNMOVED.split())
"""Actions that do not say that somebody wanted something."""
WORTHLESS = PASSIVE - {"view", "pv"}
_MOVED = """click clicked like purchase buy cart addtocart add_to_cart order rating rate play watch listen
read share comment follow favourite favorite save bookmark subscribe download open visit answer ask
upvote downvote vote fav checkout transaction complete start wishlist collect search reply repost star"""
VERBS = PASSIVE | frozenset(_MOVED.split())


def is_derived(name: str) -> bool:
    """Return whether a name speaks of something computed about a user or an item rather than of its id."""
    return bool(set(tokens(name)) & (_DERIVED | _CHANCES))


def is_chance(name: str) -> bool:
    """Return whether a name speaks of a probability with which something was shown."""
    return bool(set(tokens(name)) & _CHANCES)


def is_index(column: Column) -> bool:
    """Return whether a column merely numbers the rows, as data frames write it into files."""
    if re.fullmatch(_INDEX_NAMES, column.name.strip(), re.IGNORECASE) is None or column.kind != "number":
        return False
    numbers = column.values.cast(pl.Float64, strict=False)
    return column.filled == 1.0 and bool((numbers.diff().drop_nulls() == 1).all())


def is_label(column: Column) -> bool:
    """Return whether a column names things in a few words that come again: 'whole milk', 'Dota 2'."""
    short = column.kind == "text" and column.words < _MAX_WORDS_OF_A_NAME and column.chars < 70
    coded = column.distinct.head(1_000).str.contains(r"[^\s\d]\d|\d[^\s\d]")
    if not short or is_address(column) or share_of(coded) >= 0.5:
        return False
    return column.letters > 0.5 and column.repeat > 1.02


def is_key(column: Column) -> bool:
    """Return whether a column could be the id of its table: filled, code-like, and unique."""
    if is_index(column):
        return False
    return column.is_code and column.filled > 0.99 and column.unique > 0.95 and len(column.distinct) > 1


def could_hold_items(column: Column) -> bool:
    """Return whether a column could name items, one or several per row."""
    if column.filled < 0.3 or len(column.distinct) < 2:
        return False
    if column.kind == "list":
        return column.words < 1.5
    if is_index(column):
        return False
    return column.is_code or (column.kind == "text" and column.letters < 1.0) or looks_split(column)


def looks_split(column: Column) -> bool:
    """Return whether a text column looks like lists of codes: '12 7 9', 'a1|b7', '[3, 4]'."""
    if column.kind != "text" or not len(column.distinct):
        return False
    parts = column.parts
    if not len(parts):
        return False
    if share_of(column.distinct.head(1_000).str.contains(r"[,\[]")) < 0.5:
        apart = column.distinct.head(1_000).str.split(" ").explode()
        if share_of(apart.str.contains(r"\d")) < 0.8:  # words with a number here and there
            return False
    marked = share_of(column.distinct.head(1_000).str.contains(r"^\[.*\]$|\S[\s,]+\S"))
    coded = share_of(parts.head(1_000).str.contains(r"\d"))
    return marked > 0.5 and coded > 0.8


def user_score(column: Column) -> float:
    """Return in [0, 1] how much a column looks like the people of an event table."""
    if not column.is_code or column.filled < 0.2 or len(column.distinct) < 2 or is_index(column):
        return 0.0
    plural = column.name.lower().endswith("s")
    visit = hint(column.name, "session") * (0.3 if has_id_word(column.name) else 0.0 if plural else 0.15)
    score = 0.65 * hint(column.name, "user") + visit
    score += (
        0.1 * has_id_word(column.name) + 0.15 * (column.repeat > 1.05) + 0.1 * (len(column.distinct) > 20)
    )
    score -= 0.4 * hint(column.name, "item") * (hint(column.name, "user") == 0)
    score -= 0.5 * is_derived(column.name) + 0.3 * max(
        hint(column.name, "links"), hint(column.name, "attribute")
    )
    score -= 0.3 * hint(column.name, "sequence") * (hint(column.name, "user") == 0)
    score -= 0.3 * (column.kind == "number" and column.high < 20) + 0.3 * (column.unit is not None)
    score -= 0.5 * (hint(column.name, "action") == 1.0 or says_actions(column))
    return min(1.0, max(0.0, score))


def item_score(column: Column, table: Table) -> float:
    """Return in [0, 1] how much a column looks like a log's items, by its name and by the words it fixes."""
    coded = column.is_code and not is_index(column)
    if not (coded or is_label(column)) or column.filled < 0.5 or column.repeat <= 1.02:
        return 0.0
    if len(column.distinct) < 2 or column.clock or says_actions(column):
        return 0.0
    score = 0.45 * hint(column.name, "item") + 0.1 * has_id_word(column.name)
    score -= 0.5 * hint(column.name, "user") + 0.3 * hint(column.name, "session") * has_id_word(column.name)
    score -= 0.3 * is_derived(column.name) + 0.3 * (column.unit is not None)
    texts = [
        other
        for other in table.columns.values()
        if other is not column and other.kind == "text" and text_score(other) > 0.3
    ]
    fixed = max((determines(table.sample, column.name, other.name) for other in texts), default=0.0)
    if is_label(column):  # it says itself what it is, unless it is one of few labels
        score += 0.25 * (len(column.distinct) > _FEW_LABELS) - 0.25 * (len(column.distinct) <= _FEW_LABELS)
        score -= 0.3 * max(hint(column.name, "person"), hint(column.name, "attribute"))
    score -= 0.3 * (hint(column.name, "time") > 0 and not hint(column.name, "item"))
    return min(1.0, max(0.0, score + 0.45 * fixed))


def says_actions(column: Column) -> bool:
    """Return whether a column holds words for what people do: view, purchase, play."""
    if column.kind not in ("text", "flag") or not 1 <= len(column.distinct) <= _MAX_ACTIONS:
        return False
    return share_of(column.distinct.str.strip_chars().str.to_lowercase().is_in(list(VERBS))) >= 0.5


def text_score(column: Column) -> float:
    """Return in [0, 1] how much a column reads like an item's words."""
    if column.kind not in ("text", "list") or column.letters < 0.5 or is_address(column):
        return 0.0
    named = max(hint(column.name, "title"), hint(column.name, "text"))
    if column.words < 1.1 and not named:
        return 0.0
    wordy = min(1.0, (column.words - 1.0) / 4.0)
    return min(1.0, 0.5 * named + 0.35 * wordy + 0.2 * (column.unique > 0.5) - 0.3 * many_labels(column))


def is_address(column: Column) -> bool:
    """Return whether a column holds web addresses or file names."""
    look = column.distinct.head(200)
    return share_of(look.str.contains(r"^(https?://|www\.|/)|\.(jpg|png|gif)$")) > 0.5


def many_labels(column: Column) -> bool:
    """Return whether a text holds several labels of a small set: 'Drama|War', 'Action; Comedy'."""
    look = column.distinct.head(2_000)
    if share_of(look.str.contains(r"\w[|;]\s?\w")) < 0.2:
        return False
    return len(look.str.split("|").explode().unique()) < max(5, len(look) // 2)


def determines(sample: pl.DataFrame, key: str, column: str) -> float:
    """Return in [0, 1] how far knowing `key` tells `column`, beyond guessing its most frequent value."""
    pair = sample.head(_ROWS).select(pl.col(key).alias("key"), pl.col(column).cast(pl.String).alias("value"))
    counts = pair.drop_nulls().group_by("key", "value").len()
    if counts.is_empty():
        return 0.0
    groups = counts.group_by("key").agg(pl.col("len").sum().alias("rows"), pl.col("len").max().alias("most"))
    groups = groups.filter(pl.col("rows") > 1)
    if groups.is_empty():
        return 0.0
    agreement = float(groups.select(pl.col("most").sum() / pl.col("rows").sum()).item())
    totals = counts.group_by("value").agg(pl.col("len").sum())
    blind = float(totals.select(pl.col("len").max() / pl.col("len").sum()).item())
    return max(0.0, (agreement - blind) / (1.0 - blind)) if blind < 1.0 else 0.0


def catalogue_score(table: Table, key: Column) -> float:
    """Return in [0, 1] how much a table looks like a catalogue with the id `key`."""
    words = max((text_score(column) for column in table.columns.values() if column is not key), default=0.0)
    score = 0.5 * words + 0.3 * hint(table.stem, "items_file") + 0.25 * hint(key.name, "item")
    return max(0.0, score - 0.4 * hint(table.stem, "users_file") - 0.4 * hint(key.name, "user"))


def log_score(table: Table, used: Collection[str]) -> float:
    """Return in [0, 1] how much a table looks like a log, by the columns beyond those `used`."""
    others = [column for column in table.columns.values() if column.name not in used]
    timed = any(c.kind == "time" or (c.unit is not None and hint(c.name, "time") > 0) for c in others)
    valued = _any_hint(others, ("action", "value", "flag", "sequence"))
    rows = min(1.0, math.log10(max(10, table.sample.height)) / 5)
    score = 0.3 * timed + 0.2 * valued + 0.25 * hint(table.stem, "events_file") + 0.25 * rows
    return max(0.0, score - 0.3 * hint(table.stem, "links") - 0.2 * _any_hint(others, ("links",)))


def _any_hint(columns: Iterable[Column], kinds: tuple[Hint, ...]) -> bool:
    return any(hint(column.name, kind) > 0 for column in columns for kind in kinds)
