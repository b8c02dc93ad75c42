"""Opening a table: everything that can be said about its files, columns and filter, said at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.core.text import shown
from polyscene.data.tables.added import added_columns, joined
from polyscene.data.tables.columns import WORDS, Need, fits
from polyscene.data.tables.filters import Tally, Where, parse_where, suitable_types, tallies, tally, typed
from polyscene.data.tables.formats import TROUBLE, diagnosed, format_of
from polyscene.data.tables.source import Source
from polyscene.data.tables.sources import nearest, sources_of
from polyscene.data.tables.table import ROW, CellLocation, OpenFile, Table, stray_text

_SEPARATORS = (",", ";", "\t", "|")


def open_table(settings: TableSettings, base: Path, needs: Iterable[Need]) -> Table:
    """Open every file of a table and make sure that it has the wanted columns.

    Args:
        settings: the table's.
        base: the folder its paths start from.
        needs: the columns that will be read.

    Raises:
        DataError: anything about the files, the columns or the filter; all problems are listed.
    """
    problems: list[Problem] = []
    files: list[OpenFile] = []
    needs = tuple(needs)
    for source in sources_of(settings, base):
        try:
            file = _completed(_opened(source, settings), settings, base)
            _demand_columns(file, settings, needs)
            files.append(file)
        except DataError as error:
            problems.extend(error.problems)
    if problems:
        raise DataError(problems)
    where = None if settings.where is None else parse_where(settings.where, files[0].source.shown)
    return Table(settings, _surveyed(files, settings, where), where)


def _opened(source: Source, settings: TableSettings) -> OpenFile:
    missing = tuple(settings.null_values)
    if settings.query is not None and not format_of(source).takes_query:
        raise DataError(
            Problem(
                "only SQLite files take a query",
                "no 'query'",
                shown(settings.query),
                "use 'where'",
                file=source.shown,
                column="query",
            )
        )
    try:
        scan = format_of(source).scan(source, settings)
        schema = dict(scan.collect_schema())
    except TROUBLE as error:
        raise DataError(diagnosed(source, settings, error)) from None
    return OpenFile(source, scan, schema, () if format_of(source).untyped else missing)


def _completed(file: OpenFile, settings: TableSettings, base: Path) -> OpenFile:
    """Return the file with the columns that the settings add to it."""
    own = tuple(file.schema)
    for join in settings.join:
        missing = [Need("join", join.on, "id")]
        _demand_columns(file, settings, missing)
        other = open_table(join, base, missing)
        file = replace(file, scan=joined(file, other, join.on))
        file = replace(file, schema=dict(file.scan.collect_schema()))
    added = added_columns(settings, file.schema, file.source.shown)
    if added:
        file = replace(file, scan=file.scan.with_columns(added))
        file = replace(file, schema=dict(file.scan.collect_schema()))
    return replace(file, own=own)


def _demand_columns(file: OpenFile, settings: TableSettings, needs: Iterable[Need]) -> None:
    problems = []
    for need in {(need.column, need.kind): need for need in needs}.values():
        if need.column not in file.schema:
            problems.append(_no_column(file, settings, need))
        elif not fits(need.kind, file.schema[need.column]):
            problems.append(
                Problem(
                    "the column cannot be used for this",
                    WORDS[need.kind],
                    shown(str(file.schema[need.column])),
                    f"name another column for '{need.key}', or convert it",
                    file=file.source.shown,
                    column=need.column,
                )
            )
    if problems:
        raise DataError(problems)


def _no_column(file: OpenFile, settings: TableSettings, need: Need) -> Problem:
    header = list(file.schema)
    other = [sign for sign in _SEPARATORS if len(header) == 1 and file.loose and sign in header[0]]
    near = nearest(need.column, header)
    if other:
        remedy = f"set separator = {other[0]!r}"
    elif near:
        remedy = f"did you mean '{near}'?"
    else:
        remedy = f"name one of its columns for '{need.key}'"
    return Problem(
        f"there is no column '{need.column}'",
        f"the column that '{need.key}' names",
        "columns " + shown(", ".join(header), 200),
        remedy,
        file=file.source.shown,
        column=need.column,
    )


@dataclass(frozen=True, slots=True)
class _Survey:
    """What one look at a whole text file told: the columns of the filter, and whether lines are empty."""

    tallies: Mapping[str, Tally]
    gaps: bool


def _surveyed(files: list[OpenFile], settings: TableSettings, where: Where | None) -> tuple[OpenFile, ...]:
    """Check text files as a whole, and settle what types the filter sees."""
    problems: list[Problem] = []
    surveys: list[_Survey] = []
    for file in files:
        try:
            if where is not None:
                _demand_columns(file, settings, [Need("where", name, "raw") for name in where.columns])
            surveys.append(_survey(file, settings, where))
        except DataError as error:
            problems.extend(error.problems)
    if problems:
        raise DataError(problems)
    totals: dict[str, Tally] = {}
    for survey in surveys:
        for name, tallied in survey.tallies.items():
            totals[name] = totals.get(name, Tally()) + tallied
    files = [replace(file, gaps=survey.gaps) for file, survey in zip(files, surveys, strict=True)]
    return tuple(files if where is None else (_settled(file, where, totals) for file in files))


def _survey(file: OpenFile, settings: TableSettings, where: Where | None) -> _Survey:
    """Read a text file once: is it whole, are its rows even, what do the columns of the filter hold?"""
    if not file.loose:
        return _Survey({}, False)
    names = () if where is None else where.columns
    columns = list(file.own)
    try:
        counts = file.scan.select(pl.col(columns[-1]).null_count().alias("#open"), *tallies(names)).collect(
            engine="streaming"
        )
        short = bool(counts["#open"].item())  # an empty or short line leaves its last field open
        gaps, uneven = False, None
        if short:
            empty = pl.all_horizontal(pl.col(columns).is_null()).any()
            gaps = bool(file.scan.select(empty).collect(engine="streaming").item())
        if short and len(columns) > 1:
            uneven = format_of(file.source).uneven_rows(file.source, settings, len(columns))
    except TROUBLE as error:
        raise DataError(diagnosed(file.source, settings, error)) from None
    if uneven is not None:
        raise DataError(uneven)
    return _Survey({name: tally(name, counts.row(0, named=True)) for name in names}, gaps)


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
