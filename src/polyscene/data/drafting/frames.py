"""Data frames as the tables of a project: written as Parquet, described by a draft."""

from __future__ import annotations

import atexit
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.core.files import replacing
from polyscene.core.text import shown
from polyscene.data.drafting.project import guess_project

TABLES = ("items", "events", "users")


def polars_frame(table: Any, name: str) -> pl.DataFrame:  # noqa: ANN401 - whatever is a table
    """Return a data frame of polars or pandas, or a mapping of columns, as one of polars.

    Missing values of pandas (NaN, NaT) become null.

    Raises:
        DataError: it is no table.
    """
    if isinstance(table, pl.LazyFrame):
        return table.collect()
    if isinstance(table, pl.DataFrame):
        return table
    names = list(table) if isinstance(table, Mapping) else list(getattr(table, "columns", ()))
    try:
        if not names:
            raise TypeError("it has no columns")
        columns = {str(column): _values(table[column]) for column in names}
        return pl.DataFrame(columns, strict=False)
    except (TypeError, ValueError, KeyError, pl.exceptions.PolarsError) as error:
        found = f"{type(table).__name__}: {shown(str(error), 120)}"
    remedy = "give a data frame of polars or pandas, or a dictionary of columns of equal length"
    raise DataError(Problem(f"'{name}' is no table", "a data frame", found, remedy))


def _values(column: Any) -> list[Any]:  # noqa: ANN401 - a sequence or a column of pandas
    listed = column.to_list() if hasattr(column, "to_list") else list(column)
    return [None if value is None or _is_missing(value) else value for value in listed]


def _is_missing(value: object) -> bool:
    """Return whether a value is NaN or NaT, which are all that differ from themselves."""
    return not isinstance(value, str | list | tuple | dict) and bool(value != value)


def temporary_folder() -> Path:
    """Return a new folder that is removed when the process ends: runs may outlive their project."""
    folder = mkdtemp(prefix="polyscene-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def kept_frames(
    tables: Mapping[str, Any], folder: Path, scenario: str, settings: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Write data frames into a folder as tables; return a configuration of them, and what should be decided.

    Args:
        tables: by `events`, `items` and `users`; None where there is none.
        settings: nested as in the configuration; they beat what is guessed.

    Raises:
        DataError: a frame is no table, or none looks like events.
    """
    frames = {name: polars_frame(one, name) for name, one in tables.items() if one is not None}
    write_frames(frames, folder)
    return described(frames, folder, scenario, settings)


def write_frames(frames: Mapping[str, pl.DataFrame], folder: Path) -> None:
    """Write each table as `NAME.parquet`, each whole or not at all."""
    for name, frame in frames.items():
        with replacing(folder / f"{name}.parquet") as partial:
            frame.write_parquet(partial)


def described(
    frames: Mapping[str, pl.DataFrame], folder: Path, scenario: str, overrides: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the settings of a project of written frames, and what a person should decide.

    Args:
        frames: what was written.
        folder: where to.
        scenario: its name.
        overrides: settings that the user gives; they beat what is guessed. Where they name `user` and `item`
            of the events and `id` of the items, nothing is guessed.

    Raises:
        DataError: no table looks like events.
    """
    own = overrides.get("scenarios", {}).get(scenario, {})
    paths = {
        "scenarios": {scenario: {name: {"path": f"{name}.parquet"} for name in frames if name in TABLES}}
    }
    if {"user"} <= set(own.get("events", {})) and "id" in own.get("items", {}):
        return _merged(paths, overrides), ()
    draft = guess_project([folder / f"{name}.parquet" for name in frames], scenario)
    if len(draft.scenarios) == 1:
        draft = replace(draft, scenarios=(replace(draft.scenarios[0], name=scenario),))
    guessed = tomllib.loads(draft.to_toml(folder.resolve()))
    return _merged(guessed, overrides), tuple(draft.decisions)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings, those above in place of those below."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = (
            _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
        )
    return merged
