"""SQLite: a table is the answer of one SELECT over the file, read only."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Any, ClassVar
from urllib.parse import quote

import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.core.text import shown
from polyscene.data.tables.formats import TableFormat
from polyscene.data.tables.source import Source

_BATCH = 50_000
_TABLES = (
    "SELECT name FROM sqlite_master "
    "WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name"
)
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}


class Sqlite(TableFormat):
    """The rows that `query` yields."""

    endings: ClassVar[tuple[str, ...]] = (".sqlite", ".sqlite3", ".db")
    packed_inside: ClassVar[str | None] = "the file itself"
    takes_query: ClassVar[bool] = True

    def scan(self, source: Source, settings: TableSettings) -> pl.LazyFrame:
        """Return the rows of the query.

        Raises:
            DataError: there is no query, or the database refuses it.
        """
        return read_query(source, settings.query).lazy()

    def parts(self, source: Source) -> Mapping[str, Mapping[str, str]]:
        """Return a query for each table and view of the database.

        Raises:
            OSError: it is no database.
        """
        try:
            with closing(_connected(source)) as connection:
                names = [str(name) for (name,) in connection.execute(_TABLES)]
        except sqlite3.Error as error:
            raise OSError(str(error)) from None
        return {name: {"query": f"SELECT * FROM {_quoted(name)}"} for name in names}


def _connected(source: Source) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(source.path.resolve()))}?mode=ro", uri=True)


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else '"' + name.replace('"', '""') + '"'


def read_query(source: Source, query: str | None) -> pl.DataFrame:
    """Return the rows of `query`; nothing but reading is allowed to it.

    Raises:
        DataError: there is no query, or the database refuses it.
    """
    if query is None:
        raise DataError(
            Problem(
                "an SQLite file needs a query",
                "'query' with the SELECT that yields the table",
                "none",
                'add query = "SELECT … FROM …"',
                file=source.shown,
            )
        )
    try:
        with closing(_connected(source)) as connection:
            connection.set_authorizer(_reading_only)
            return _table(connection.execute(query))
    except sqlite3.Error as error:
        raise DataError(
            Problem(
                "the query cannot be answered",
                "one SELECT over this database",
                f"{shown(query)}: {error}",
                "mend 'query'; it may only read",
                file=source.shown,
                key="query",
            )
        ) from None


def _reading_only(action: int, *_names: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _table(cursor: sqlite3.Cursor) -> pl.DataFrame:
    names = [column[0] for column in cursor.description]
    batches = [_frame(names, [])]
    while rows := cursor.fetchmany(_BATCH):
        batches.append(_frame(names, rows))
    return pl.concat(_alike(batches), how="vertical", rechunk=False)


def _frame(names: list[str], rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    """Return one batch, each column in the narrowest type that holds all of it."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pl.DataFrame([_series(name, list(values)) for name, values in zip(names, columns, strict=True)])


def _series(name: str, values: list[Any]) -> pl.Series:
    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return pl.Series(name, values, dtype=pl.Null)
    if kinds == {int}:
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds <= {int, float}:
        return pl.Series(name, values, dtype=pl.Float64)
    if kinds == {bytes}:
        return pl.Series(name, values, dtype=pl.Binary)
    return pl.Series(name, [None if value is None else _text(value) for value in values], dtype=pl.String)


def _text(value: Any) -> str:  # noqa: ANN401 - SQLite's columns are loosely typed
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _alike(batches: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """Give every column the same type in all batches."""
    widest = {name: _widest({batch.schema[name] for batch in batches}) for name in batches[0].columns}
    return [batch.select(pl.col(name).cast(dtype) for name, dtype in widest.items()) for batch in batches]


def _widest(dtypes: set[pl.DataType]) -> pl.DataType:
    dtypes = dtypes - {pl.Null()}
    if len(dtypes) <= 1:
        return next(iter(dtypes), pl.Null())
    return pl.Float64() if all(dtype.is_numeric() for dtype in dtypes) else pl.String()
