"""Tables with one row per id: items and users."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.settings.tables import OnDuplicate
from polyscene.core.text import shown
from polyscene.data.tables.columns import Need
from polyscene.data.tables.repairs import weighed
from polyscene.data.tables.table import Table, stray_text
from polyscene.data.tables.times import IMPOSSIBLE
from polyscene.data.tables.totals import RowLedger

_PLACE = "#place"
_MANY_IDS = 50
_FEW_UNLIKE = 0.02
"""Of the ids: no more may be other than numbers to be taken for rows that slipped."""


@dataclass(frozen=True, slots=True)
class Faults:
    """How many rows meet a condition, and the position of the first."""

    count: int
    first: int


def faults(table: Table, needs: Iterable[Need], condition: pl.Expr) -> Faults | None:
    """Look for rows that meet `condition`; None where there is none."""
    first = table.collect(
        table.rows(needs).with_row_index(_PLACE).filter(condition).select(pl.len(), pl.col(_PLACE).first())
    ).row(0)
    return Faults(int(first[0]), int(first[1])) if first[0] else None


def read_keyed(
    table: Table,
    key: Need,
    needs: Sequence[Need],
    on_duplicate: OnDuplicate,
    problems: list[Problem],
    from_log: bool = False,
    ledger: RowLedger | None = None,
) -> pl.DataFrame:
    """Return one row per id, in the order of the table, with the converted columns.

    In a table that is the log itself ids occur again as often as there are events of them: where
    `on_duplicate` says which row stands for an id, that is no repair.

    Rows without an id, repeated ids and text among numbers are added to `problems`; what is returned has
    none of them.

    Raises:
        DataError: a file is broken.
    """
    rows = table.rows([key, *needs])
    name = pl.col(key.alias)
    total, distinct = table.collect(rows.select(pl.len(), name.drop_nulls().n_unique())).row(0)
    nameless = faults(table, [key], name.is_null()) if total > distinct else None
    if nameless is not None:
        problems.append(_nameless(table, key, nameless))
        if ledger is not None:
            ledger.leave_out(nameless.count, asked=False)
    repeated = total - distinct - (0 if nameless is None else nameless.count)
    if repeated:
        meant = from_log and on_duplicate != "error"
        if not meant:
            problems.append(weighed(_repeated(table, key, on_duplicate, repeated), total))
        if ledger is not None and meant:
            ledger.merge(repeated)
        elif ledger is not None:
            ledger.leave_out(repeated, asked=on_duplicate != "error")
        rows = rows.unique(key.alias, keep="last" if on_duplicate == "last" else "first", maintain_order=True)
    frame = table.collect(rows.filter(name.is_not_null()))
    problems.extend(_unlike(table, key, frame[key.alias]))
    if ledger is not None:
        ledger.leave_out(_spoilt(frame, needs), asked=False)
    return _without_strays(table, frame, needs, problems)


def _spoilt(frame: pl.DataFrame, needs: Sequence[Need]) -> int:
    """Return how many rows hold text in place of a number, or an impossible time."""
    faults = [pl.col(need.alias).is_infinite() for need in needs if need.kind == "number"]
    faults += [pl.col(need.alias) == IMPOSSIBLE for need in needs if need.kind == "time"]
    return frame.filter(pl.any_horizontal(faults)).height if faults else 0


def _unlike(table: Table, key: Need, ids: pl.Series) -> list[Problem]:
    """Report the few ids that are no numbers among many that are: the signs of rows that slipped."""
    numbers = ids.str.contains(r"^\d+$")
    count = len(ids) - int(numbers.sum())
    if len(ids) < _MANY_IDS or not 0 < count <= _FEW_UNLIKE * len(ids):
        return []
    odd = faults(table, [key], ~pl.col(key.alias).str.contains(r"^\d+$"))
    place = table.place(0 if odd is None else odd.first, key.column)
    return [
        Problem(
            "an id is unlike all others",
            f"a whole number, as in {len(ids) - count:,} rows",
            place.found,
            "look whether the row's fields have slipped; where they are right, nothing is to be done",
            file=place.file,
            row=place.row,
            column=key.column,
            count=count,
            severity="warning",
        )
    ]


def complain_if_empty(table: Table, what: str, problems: list[Problem]) -> None:
    """Say why a table that must have rows gave none: the filter, or nothing but a header."""
    unfiltered = replace(table, where=None)
    some = table.where is not None and table.collect(unfiltered.rows(_any_column(table)).head(1)).height
    problems.append(
        Problem(
            f"the filter leaves no {what}" if some else f"there are no {what}",
            f"at least one row of {what}",
            shown(table.settings.where, 120) if some else "a table without rows",
            "loosen 'where'" if some else "write the table again, with rows",
            file=table.name,
            key="where" if some else None,
        )
    )


def _any_column(table: Table) -> list[Need]:
    return [Need("", next(iter(table.files[0].schema)), "raw")]


def _nameless(table: Table, key: Need, nameless: Faults) -> Problem:
    place = table.place(nameless.first, key.column)
    return Problem(
        "a row has no id",
        "an id in every row",
        place.found,
        f'fill it in, or leave such rows out: where = "{key.column} is not null"',
        file=place.file,
        row=place.row,
        column=key.column,
        count=nameless.count,
    )


def _repeated(table: Table, key: Need, on_duplicate: OnDuplicate, count: int) -> Problem:
    name = pl.col(key.alias)
    repeats = faults(table, [key], ~name.is_first_distinct() & name.is_not_null())
    place = table.place(0 if repeats is None else repeats.first, key.column)
    refused = on_duplicate == "error"
    return Problem(
        "an id occurs again",
        "every id once",
        place.found,
        'remove the repetition, or set on_duplicate = "first" or "last"'
        if refused
        else f"only the {on_duplicate} row of every id was kept",
        file=place.file,
        row=place.row,
        column=key.column,
        count=count,
        severity="error" if refused else "repaired",
    )


def _without_strays(
    table: Table, frame: pl.DataFrame, needs: Sequence[Need], problems: list[Problem]
) -> pl.DataFrame:
    for need in needs:
        if need.kind == "number" and frame[need.alias].is_infinite().any():
            strays = faults(table, [need], pl.col(need.alias).is_infinite())
            if strays is not None:
                place = table.place(strays.first, need.column)
                problems.append(stray_text(place, need.column, strays.count))
            value = pl.col(need.alias)
            frame = frame.with_columns(pl.when(value.is_finite()).then(value).alias(need.alias))
    return frame
