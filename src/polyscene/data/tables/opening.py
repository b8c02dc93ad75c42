"""Opening a table: everything that can be said about its files, columns and filter, said at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import PivotSettings, TableSettings
from polyscene.core.text import shown
from polyscene.data.tables.added import added_columns, joined
from polyscene.data.tables.columns import WORDS, Need, fits
from polyscene.data.tables.encodings import count_controls
from polyscene.data.tables.filters import parse_where
from polyscene.data.tables.formats import TROUBLE, diagnosed, format_of
from polyscene.data.tables.headers import looks_like_data, old_line_ends
from polyscene.data.tables.ids import with_sound_ids
from polyscene.data.tables.long_tables import long_needs, long_settings, pivoted
from polyscene.data.tables.source import Source
from polyscene.data.tables.sources import nearest, sources_of
from polyscene.data.tables.surveys import surveyed_files
from polyscene.data.tables.table import OpenFile, Table

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
    needs = tuple(needs)
    if settings.pivot is None:
        files, remarks = _files(settings, base, needs)
    else:
        files, remarks = _pivoted(settings, settings.pivot, base, needs)
    where = None if settings.where is None else parse_where(settings.where, files[0].source.shown)
    if where is not None:
        _demand_all(files, settings, [Need("where", name, "raw") for name in where.columns])
    ids = tuple(dict.fromkeys(need.column for need in needs if need.kind == "id"))
    surveyed, rows = surveyed_files(files, settings, where, ids)
    table, id_problems = with_sound_ids(Table(settings, surveyed, where, rows_counted=rows), ids)
    return replace(table, remarks=(*remarks, *_controls(files, settings), *id_problems))


def _files(
    settings: TableSettings, base: Path, needs: Sequence[Need]
) -> tuple[list[OpenFile], list[Problem]]:
    """Return the files of a table that have the wanted columns, and what was mended in them.

    Raises:
        DataError: anything about the files or the columns; all problems are listed.
    """
    problems: list[Problem] = []
    remarks: list[Problem] = []
    files: list[OpenFile] = []
    for source in sources_of(settings, base):
        try:
            file = _completed(_opened(source, settings, remarks), settings, base)
            _demand_columns(file, settings, needs)
            files.append(file)
        except DataError as error:
            problems.extend(error.problems)
    if problems:
        raise DataError(problems)
    return files, remarks


def _pivoted(
    settings: TableSettings, pivot: PivotSettings, base: Path, needs: Sequence[Need]
) -> tuple[list[OpenFile], list[Problem]]:
    """Return a long table as one file with a row per thing, and what is wrong with its rows."""
    long = open_table(long_settings(settings), base, long_needs(pivot))
    wanted = [need.column for need in needs if need.column not in settings.one_hot]
    wanted += [pattern for patterns in settings.one_hot.values() for pattern in patterns]
    wanted += [join.on for join in settings.join]
    if settings.where is not None:
        wanted += parse_where(settings.where, long.name).columns
    one = pivoted(long, pivot, wanted)
    file = _completed(one.file, settings, base)
    _demand_columns(file, settings, needs)
    return [file], [*long.remarks, *one.problems]


def _controls(files: Sequence[OpenFile], settings: TableSettings) -> Iterator[Problem]:
    """Say where a text that is read as latin1 is cp1252."""
    for file in files if settings.encoding == "latin1" else ():
        count = count_controls(file.source)
        if count:
            yield Problem(
                "a text read as latin1 has bytes that are signs in cp1252 only",
                "letters, quotes, dashes",
                f"{count:,} control characters",
                'set encoding = "cp1252"',
                file=file.source.shown,
                key="encoding",
                count=count,
                severity="warning",
            )


def _demand_all(files: Iterable[OpenFile], settings: TableSettings, needs: Sequence[Need]) -> None:
    problems: list[Problem] = []
    for file in files:
        try:
            _demand_columns(file, settings, needs)
        except DataError as error:
            problems.extend(error.problems)
    if problems:
        raise DataError(problems)


def _opened(source: Source, settings: TableSettings, remarks: list[Problem]) -> OpenFile:
    missing = tuple(settings.null_values)
    if settings.query is not None and not format_of(source).takes_query:
        raise DataError(
            Problem(
                "only SQLite files take a query",
                "no 'query'",
                shown(settings.query),
                "use 'where'",
                file=source.shown,
                key="query",
            )
        )
    try:
        kind = format_of(source)
        scan, problems = (
            kind.mended(source, settings)
            if settings.on_broken_line == "drop"
            else (kind.scan(source, settings), [])
        )
        schema = dict(scan.collect_schema())
    except (*TROUBLE, EOFError) as error:
        raise DataError(diagnosed(source, settings, error)) from None
    remarks.extend(problems)
    dropped = sum(problem.count for problem in problems)
    missing = () if format_of(source).untyped else missing
    return OpenFile(source, scan, schema, missing, lines_dropped=dropped)


def _completed(file: OpenFile, settings: TableSettings, base: Path) -> OpenFile:
    """Return the file with the columns that the settings add to it."""
    own = file.own or tuple(file.schema)
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
    if file.loose and any("\r" in name for name in header):
        return old_line_ends(file.source)
    if settings.header and file.loose and looks_like_data(header):
        return _no_header(file, need, header)
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


def _no_header(file: OpenFile, need: Need, header: Sequence[str]) -> Problem:
    return Problem(
        f"there is no column '{need.column}': the first row looks like data, not like names",
        f"a header with the column that '{need.key}' names",
        shown(", ".join(header), 160),
        'set header = false and columns = ["…", …], one name per column',
        file=file.source.shown,
        column=need.column,
    )
