"""Columns that a table does not hold but that can be had from what it or another table holds.

A day and a time of day apart become one time; columns of 0 and 1 become one list; numbers with a decimal
comma become numbers; another table adds its columns to the rows that share its id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import EventsSettings, ItemsSettings, TableSettings, UsersSettings
from polyscene.core.text import shown
from polyscene.data.tables.columns import COMMA_NUMBER, Need, converted
from polyscene.data.tables.table import OpenFile, Table

_TRUE = ("1", "1.0", "true", "yes", "t", "y", "x")
_KEY = "#key"


def added_columns(settings: TableSettings, schema: Mapping[str, pl.DataType], file: str) -> list[pl.Expr]:
    """Return the columns that the settings add to those of `schema`, or put in their place.

    Raises:
        DataError: a column they are made of is not there.
    """
    expressions = [
        _one_list(name, patterns, schema, file).alias(name) for name, patterns in settings.one_hot.items()
    ]
    if isinstance(settings, EventsSettings) and isinstance(settings.time, list):
        expressions.append(_one_time(settings.time, schema, file).alias(str(settings.time_column)))
    if settings.decimal == ",":
        expressions += [
            with_point(pl.col(name)) for name in _numbers(settings) if isinstance(schema.get(name), pl.String)
        ]
    return expressions


def with_point(text: pl.Expr) -> pl.Expr:
    """Return texts such as '1.234,5' as '1234.5'; what is no such number stays."""
    plain = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return pl.when(text.str.contains(COMMA_NUMBER)).then(plain).otherwise(text)


def joined(file: OpenFile, other: Table, on: str) -> pl.LazyFrame:
    """Return the rows of a file, each with the columns of the one row of `other` that has the same id.

    Columns that the file has itself are not taken from `other`. A row without a partner has nothing in them.

    Raises:
        DataError: an id occurs again in `other`.
    """
    names = [
        name for name in dict.fromkeys(n for f in other.files for n in f.schema) if name not in file.schema
    ]
    key = Need("join", on, "id")
    wanted = [Need("join", name, "raw") for name in names]
    rows = other.rows([key, *wanted]).select(
        pl.col(key.alias).alias(_KEY), *(pl.col(need.alias).alias(need.column) for need in wanted)
    )
    rows = rows.filter(pl.col(_KEY).is_not_null())
    total, distinct = other.collect(rows.select(pl.len(), pl.col(_KEY).n_unique())).row(0)
    if total > distinct:
        raise DataError(_repeated(other, on, total - distinct))
    mine = converted(key, pl.col(on), file.schema[on], file.loose).alias(_KEY)
    together = file.scan.with_columns(mine).join(rows, on=_KEY, how="left", maintain_order="left")
    return together.drop(_KEY)


def _repeated(other: Table, on: str, count: int) -> Problem:
    return Problem(
        "the joined table names an id again",
        "one row for every id, so that each row finds one partner",
        f"{count:,} rows more than ids",
        "join the table that has one row per id, or leave the others out with its 'where'",
        file=other.name,
        column=on,
        count=count,
    )


def _one_list(name: str, patterns: Sequence[str], schema: Mapping[str, pl.DataType], file: str) -> pl.Expr:
    """Return, per row, the names of the columns that say yes; null where none does."""
    columns = matching(patterns, schema)
    if not columns:
        raise DataError(_missing(f"one_hot.{name}", ", ".join(patterns), schema, file))
    labels = [pl.when(_says_yes(column)).then(pl.lit(label)) for column, label in labels_of(columns).items()]
    together = pl.concat_str(labels, separator=", ", ignore_nulls=True)
    return pl.when(together != "").then(together)


def matching(patterns: Sequence[str], columns: Mapping[str, object]) -> list[str]:
    """Return the columns that some pattern ('genre_*') or name names, in their order."""
    return [name for name in columns if any(name == p or fnmatchcase(name, p) for p in patterns)]


def labels_of(columns: Sequence[str]) -> dict[str, str]:
    """Return what each column of 0 and 1 stands for: its name without what all their names begin with."""
    alike = [len(set(signs)) == 1 for signs in zip(*columns, strict=False)]
    common = columns[0][: alike.index(False)] if False in alike and len(columns) > 1 else ""
    start = max(common.rfind(sign) for sign in "_-.: ") + 1
    return {name: name[start:].replace("_", " ").strip() or name for name in columns}


def _says_yes(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.strip_chars().str.to_lowercase().is_in(list(_TRUE))


def _one_time(columns: Sequence[str], schema: Mapping[str, pl.DataType], file: str) -> pl.Expr:
    missing = [name for name in columns if name not in schema]
    if missing or len(columns) != 2:
        found = ", ".join(missing) if missing else f"{len(columns)} columns"
        raise DataError(_missing("time", found, schema, file))
    return pl.concat_str([pl.col(name).cast(pl.String).str.strip_chars() for name in columns], separator=" ")


def _missing(key: str, found: str, schema: Mapping[str, pl.DataType], file: str) -> Problem:
    wanted = "the columns of the day and of the time of day" if key == "time" else "columns of 0 and 1"
    return Problem(
        f"'{key}' names no such columns",
        f"{wanted}, of " + shown(", ".join(schema), 200),
        shown(found),
        f"mend '{key}'",
        file=file,
        key=key,
    )


def _numbers(settings: TableSettings) -> list[str]:
    if isinstance(settings, ItemsSettings | UsersSettings):
        return settings.numeric
    value = settings.value if isinstance(settings, EventsSettings) else None
    return [] if value is None else [value]
