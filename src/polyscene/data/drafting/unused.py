"""Why a column of a table is not used: every one is listed in the draft with its reason."""

from __future__ import annotations

from collections.abc import Collection

from polyscene.core.text import shown
from polyscene.data.drafting.columns import Column
from polyscene.data.drafting.evidence import is_address, is_chance, is_index, text_score
from polyscene.data.drafting.names import has_id_word
from polyscene.data.drafting.tables import Table

_MAX_NAMED = 200
_UNNAMED = "(no name)"


def unused_columns(table: Table, used: Collection[str], events: bool) -> list[str]:
    """Return a line per reason for the columns of a table that no setting names.

    Args:
        table: the table.
        used: the columns that settings name.
        events: whether its rows are events, rather than items or users.
    """
    reasons: dict[str, list[str]] = {}
    for name, column in table.columns.items():
        if name not in used:
            reasons.setdefault(_reason(column, events), []).append(shown(name or _UNNAMED, 40))
    return [f"not used: {_listed(names)} ({reason})" for reason, names in reasons.items()]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + more


def _reason(column: Column, events: bool) -> str:
    if is_index(column):
        return "it numbers the rows"
    if column.kind == "empty" or not column.filled:
        return "it is empty"
    if column.kind == "other":
        return "nested or binary values"
    if len(column.distinct) < 2:
        return "the same in every row"
    if column.kind == "text" and _holds_records(column):
        return "records written as text"
    if is_address(column):
        return "addresses"
    return _of_events(column) if events else _of_things(column)


def _holds_records(column: Column) -> bool:
    return bool(column.distinct.head(50).str.contains(r"^\s*[\[{].*[:].*[\]}]\s*$").any())


def _of_events(column: Column) -> str:
    if column.kind == "time" or column.unit or column.clock:
        return "another time"
    if column.kind == "list":
        return "lists"
    if is_chance(column.name):
        return "a probability"
    if column.is_code and has_id_word(column.name):
        return "an id of something else"
    if column.kind in ("number", "flag"):
        return "says something of the event that is neither action, value nor time"
    if text_score(column) > 0.3:
        return "words of the event: no item and no user has the same in all its rows"
    return "differs within one item and within one user"


def _of_things(column: Column) -> str:
    if column.kind == "time" or column.unit or column.clock:
        return "a time, but not one since 1970 from which on the item is available"
    if column.filled < 0.02:
        return "almost empty"
    if column.kind == "number" and has_id_word(column.name):
        return "an id of something else"
    if column.kind in ("text", "list") and column.unique > 0.5:
        return "nearly a different value in each row, and no words to read"
    if column.kind in ("text", "list"):
        return "too many different values for a label"
    return "beyond the attributes that are drafted"
