"""Which items of a catalogue a request wants to be answered from."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np
import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.core.text import shown
from polyscene.core.types import BoolArray, LongArray
from polyscene.data.tables.filters import Where, parse_where, suitable_types, tallies, tally, typed
from polyscene.engine.catalogue import LiveCatalogue

MAX_COLUMNS_SHOWN = 12


def selected(catalogue: LiveCatalogue, only: Sequence[str] | None, where: str | None) -> BoolArray | None:
    """Return (n,) True for the items that are wanted; None where every item is.

    Args:
        catalogue: of the scenario.
        only: ids, of which the answer shall consist; None: any.
        where: an SQL condition over the items' attributes, `id` and `title`; None: any.

    Raises:
        UnknownIdError: there is no such item.
        DataError: the condition cannot be used.
    """
    if only is None and where is None:
        return None
    wanted = np.ones(len(catalogue), np.bool_)
    if only is not None:
        wanted[:] = False
        wanted[codes_of(catalogue, only)] = True
    return wanted if where is None else wanted & fulfilled(catalogue, where)


def codes_of(catalogue: LiveCatalogue, items: Sequence[str]) -> LongArray:
    """Return (m,) the codes of item ids.

    Raises:
        UnknownIdError: one is not in the catalogue.
    """
    return np.array([catalogue.code(item) for item in items], np.int64)


def fulfilled(catalogue: LiveCatalogue, condition: str) -> BoolArray:
    """Return (n,) True for the items that meet an SQL condition.

    Raises:
        DataError: it is no condition, or names what the items do not have.
    """
    place = f"the items of scenario {shown(catalogue.scenario)}"
    where = parse_where(condition, place)
    frame = _table(catalogue)
    _demand_known(where, frame.columns, place)
    texts = [name for name in where.columns if frame.schema[name] == pl.String]
    counts = frame.select(tallies(texts)).row(0, named=True) if texts else {}
    types = suitable_types(where, frame.schema, {name: tally(name, counts) for name in texts}, place)
    seen = frame.with_columns(typed(name, dtype) for name, dtype in types.items())
    met = seen.select(where.condition.fill_null(value=False).alias("met"))["met"]
    return np.broadcast_to(met.to_numpy(), len(catalogue)).astype(np.bool_)


def _table(catalogue: LiveCatalogue) -> pl.DataFrame:
    """Return n rows: the attributes, and id and title where no attribute is called so."""
    frame = catalogue.attributes()
    own = {"id": catalogue.ids.ids().values, "title": pl.Series("title", catalogue.titles, pl.String)}
    return frame.with_columns(values.alias(name) for name, values in own.items() if name not in frame.columns)


def _demand_known(where: Where, columns: Sequence[str], place: str) -> None:
    unknown = next((name for name in where.columns if name not in columns), None)
    if unknown is None:
        return
    near = get_close_matches(unknown, columns, n=1, cutoff=0.5)
    remedy = f"did you mean '{near[0]}'?" if near else "name one of these, or add it to the items' columns"
    names = ", ".join(shown(name) for name in columns[:MAX_COLUMNS_SHOWN])
    raise DataError(
        Problem(
            "the filter names what the items do not have", f"one of {names}", shown(unknown), remedy, place
        )
    )
