"""Ids that a spreadsheet, a data frame or a database has spoilt: padded, missing in words, cut to 9.78E+12.

Padded ids are read without their spaces, rows whose id is a word for 'missing' are left out, both counted;
ids in scientific notation are refused: different ones have become the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from polyscene.core.errors import Problem, Severity
from polyscene.core.settings.tables import TableSettings
from polyscene.data.tables.columns import Need
from polyscene.data.tables.repairs import weighed
from polyscene.data.tables.table import CellLocation, OpenFile, Table

TROUBLED = "#troubled:"
SCIENTIFIC = r"^\s*\d(?:[.,]\d+)?[eE]\+\d{1,3}\s*$"


def troubled(column: str, settings: TableSettings) -> pl.Expr:
    """Return how many ids of a text column need a closer look; one pass of one pattern."""
    words = [re.escape(word) for word in settings.missing_ids if word]
    missing = rf"|^\s*(?:{'|'.join(words)})\s*$" if words else ""
    pattern = rf"(?i)^\s|\s$|{SCIENTIFIC}{missing}"
    return pl.col(column).str.contains(pattern).sum().alias(TROUBLED + column)


def with_sound_ids(table: Table, ids: Sequence[str]) -> tuple[Table, list[Problem]]:
    """Return a table without the rows whose id is a word for 'missing', and what is wrong with its ids.

    Args:
        table: opened; its files say which columns need a look.
        ids: its columns with ids.
    """
    problems: list[Problem] = []
    for column in ids:
        if any(column in file.troubled for file in table.files):
            problems += _looked(table, column)
    words = tuple(word.lower() for word in table.settings.missing_ids if word)
    files = tuple(replace(file, missing_words=words if file.troubled else ()) for file in table.files)
    return replace(table, files=files), problems


@dataclass(frozen=True, slots=True)
class _Faults:
    """Values that meet a condition: how many, how many different ones, and the first."""

    count: int
    distinct: int
    first: CellLocation


def _looked(table: Table, column: str) -> Iterator[Problem]:
    text = pl.col(Need("", column, "raw").alias)
    bare = text.str.strip_chars()
    words = [word.lower() for word in table.settings.missing_ids if word]
    missing = bare.str.to_lowercase().is_in(words)
    padded = (text != bare) & (bare != "") & ~missing
    for condition, make in ((padded, _padded), (missing, _missing), (text.str.contains(SCIENTIFIC), _cut)):
        faults = _faults(table, column, condition)
        if faults is not None:
            yield weighed(make(column, faults), table.rows_counted)


def _faults(table: Table, column: str, condition: pl.Expr) -> _Faults | None:
    need = Need("", column, "raw")
    count, values, first = 0, pl.Series([], dtype=pl.String), None
    for file in table.files:
        if column not in file.troubled:
            continue
        rows = table.collect(_rows(file, need, table).filter(condition))
        if rows.height:
            count += rows.height
            values = pl.concat([values.alias("id"), rows[need.alias].alias("id")])
            first = first or CellLocation(file.source.shown, *rows.row(0))
    return None if first is None else _Faults(count, values.n_unique(), first)


def _rows(file: OpenFile, need: Need, table: Table) -> pl.LazyFrame:
    return file.rows([need], table.where, numbered=True)


def _padded(column: str, faults: _Faults) -> Problem:
    return _problem(
        column,
        faults,
        "ids are padded with spaces",
        "ids without spaces around them",
        "the spaces were left out; write the table without them",
        "repaired",
    )


def _missing(column: str, faults: _Faults) -> Problem:
    return _problem(
        column,
        faults,
        "an id is a word for 'missing'",
        "an id in every row",
        "such rows were left out; where the word is an id, set missing_ids = []",
        "repaired",
    )


def _cut(column: str, faults: _Faults) -> Problem:
    ids = "1 id is" if faults.distinct == 1 else f"{faults.distinct:,} ids are"
    return _problem(
        column,
        faults,
        f"{ids} written like {str(faults.first.value).strip():.40}: a spreadsheet has cut them",
        "every digit of an id",
        "export the table again with this column as text; different ids have become the same",
        "error",
    )


def _problem(
    column: str, faults: _Faults, what: str, expected: str, remedy: str, severity: Severity
) -> Problem:
    first = faults.first
    return Problem(
        what,
        expected,
        first.found,
        remedy,
        file=first.file,
        row=first.row,
        column=column,
        count=faults.count,
        severity=severity,
    )
