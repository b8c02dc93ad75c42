"""One look at each whole file of a table: is it sound, how many rows, what do the filter's columns hold?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.data.tables.filters import Tally, Where, suitable_types, tallies, tally, typed
from polyscene.data.tables.formats import TROUBLE, diagnosed, format_of
from polyscene.data.tables.ids import TROUBLED, troubled
from polyscene.data.tables.table import ROW, CellLocation, OpenFile, stray_text


@dataclass(frozen=True, slots=True)
class _Survey:
    """What one look at a whole file told.

    Attributes:
        tallies: by column of the filter.
        gaps: whether lines are empty.
        rows: how many there are, empty lines among them.
        troubled: id columns in which some values need a closer look.
    """

    tallies: Mapping[str, Tally]
    gaps: bool
    rows: int
    troubled: tuple[str, ...]


def surveyed_files(
    files: Sequence[OpenFile], settings: TableSettings, where: Where | None, ids: Sequence[str]
) -> tuple[tuple[OpenFile, ...], int]:
    """Check files as a whole, and settle what types the filter sees.

    Args:
        files: of one table.
        settings: the table's.
        where: its filter.
        ids: columns that hold ids.

    Returns:
        the files, and how many rows they have together, where that was counted: 0 where it was not.

    Raises:
        DataError: a file is broken, or the filter cannot be used; all problems are listed.
    """
    problems: list[Problem] = []
    surveys: list[_Survey] = []
    for file in files:
        try:
            surveys.append(_survey(file, settings, () if where is None else where.columns, ids))
        except DataError as error:
            problems.extend(error.problems)
    if problems:
        raise DataError(problems)
    totals: dict[str, Tally] = {}
    for survey in surveys:
        for name, tallied in survey.tallies.items():
            totals[name] = totals.get(name, Tally()) + tallied
    surveyed = [
        replace(file, gaps=survey.gaps, troubled=survey.troubled)
        for file, survey in zip(files, surveys, strict=True)
    ]
    rows = sum(survey.rows for survey in surveys)
    if where is None:
        return tuple(surveyed), rows
    return tuple(_settled(file, where, totals) for file in surveyed), rows


def _survey(file: OpenFile, settings: TableSettings, tested: Sequence[str], ids: Sequence[str]) -> _Survey:
    """Read a file once; of files with types only the ids that are text."""
    texts = [name for name in ids if isinstance(file.schema[name], pl.String)]
    if not file.loose and not texts:
        return _Survey({}, False, 0, ())
    columns = list(file.own or file.schema)
    names = tuple(tested) if file.loose else ()
    looks = [pl.len().alias("#rows"), *tallies(names), *(troubled(name, settings) for name in texts)]
    if file.loose:  # an empty or short line leaves its last field open
        looks.append(pl.col(columns[-1]).null_count().alias("#open"))
    try:
        counts = file.scan.select(looks).collect(engine="streaming").row(0, named=True)
        gaps = _check_rows(file, settings, counts["#rows"], bool(counts["#open"])) if file.loose else False
    except (*TROUBLE, EOFError) as error:
        raise DataError(diagnosed(file.source, settings, error)) from None
    return _Survey(
        {name: tally(name, counts) for name in names},
        gaps,
        counts["#rows"],
        tuple(name for name in texts if counts[TROUBLED + name]),
    )


def _check_rows(file: OpenFile, settings: TableSettings, rows: int, short: bool) -> bool:
    """Return whether some lines of a text file are empty.

    Raises:
        DataError: some are no rows.
    """
    columns = list(file.own or file.schema)
    gaps = False
    if short:
        empty = pl.all_horizontal(pl.col(columns).is_null()).any()
        gaps = bool(file.scan.select(empty).collect(engine="streaming").item())
    if len(columns) > 1 and file.made is None:
        problems = format_of(file.source).broken_rows(file.source, settings, len(columns), rows, short)
        if problems:
            raise DataError(problems)
    return gaps


def _settled(file: OpenFile, where: Where, totals: Mapping[str, Tally]) -> OpenFile:
    tallied = totals if file.loose else {}
    try:
        return replace(file, types=suitable_types(where, file.schema, tallied, file.source.shown))
    except DataError as error:
        raise DataError([*_strays(file, where, tallied), *error.problems]) from None


def _strays(file: OpenFile, where: Where, tallied: Mapping[str, Tally]) -> list[Problem]:
    """Name the texts that keep a column of `where` from being numbers."""
    problems = []
    for name in where.columns:
        if name in tallied and tallied[name].mostly_numbers:
            stray = typed(name, pl.Float64()).is_null() & pl.col(name).is_not_null()
            rows = file.scan.with_row_index(ROW, offset=1).filter(stray).select(ROW, name).head(1).collect()
            for row, value in rows.iter_rows():
                problems.append(
                    stray_text(
                        CellLocation(file.source.shown, row, value),
                        name,
                        tallied[name].present - tallied[name].numbers,
                    )
                )
    return problems
