"""Events whose items the catalogue does not have, and whether only their leading zeros are lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.text import shown
from polyscene.data.schema import Catalogue
from polyscene.data.tables.columns import Need
from polyscene.data.tables.repairs import weighed
from polyscene.data.tables.table import Table

_LOST_SHARE = 0.5
"""Of the unknown ids: where as many are known but for their zeros, zeros are what is wrong."""


@dataclass(frozen=True, slots=True)
class UnknownItems:
    """What was met of items that the catalogue does not have.

    Attributes:
        position: of the first row with one.
        found: the first; None where the row tells it.
        count: how many there are.
        rows: of the table.
    """

    position: int
    found: str | None
    count: int
    rows: int


def report_unknown(
    table: Table,
    need: Need,
    dropped: bool,
    unknown: UnknownItems,
    catalogue: Catalogue,
    problems: list[Problem],
) -> None:
    """Report events whose items the catalogue does not have.

    Args:
        table: the events.
        need: their column with items.
        dropped: whether they are left out as asked.
        unknown: what was met.
        catalogue: the scenario's.
        problems: takes one problem.
    """
    place = table.place(unknown.position, need.column)
    zeros = _lost_zeros(table, need, catalogue)
    remedy = 'add the items, or set on_unknown_item = "drop", or "add" to recommend them without text'
    problem = Problem(
        "an event names an item that the catalogue does not have"
        if zeros is None
        else "the ids of events and items differ only by leading zeros",
        f"an id of the catalogue, such as {shown(catalogue.ids[0])}"
        if len(catalogue)
        else "an id of the catalogue",
        place.found if unknown.found is None else shown(unknown.found),
        zeros or ("they were left out" if dropped else remedy),
        file=place.file,
        row=place.row,
        column=need.column,
        count=unknown.count,
        severity="repaired" if dropped and zeros is None else "error",
    )
    problems.append(weighed(problem, unknown.rows))


def _lost_zeros(table: Table, need: Need, catalogue: Catalogue) -> str | None:
    """Return the remedy where most unknown ids are ids of the catalogue but for leading zeros."""
    named = table.rows([need]).select(pl.col(need.alias).alias("id"))
    ids = table.collect((named.explode("id") if need.kind == "ids" else named).drop_nulls().unique())["id"]
    known = catalogue.ids.values
    unknown = ids.filter(~ids.is_in(known.implode()))
    share = (_bare(unknown).is_in(_bare(known).implode())).mean()
    if not isinstance(share, float) or share < _LOST_SHARE:
        return None
    return _remedy(need.column, unknown, known)


def _bare(ids: pl.Series) -> pl.Series:
    return ids.str.replace(r"^0+(\d)", "$1")


def _remedy(column: str, unknown: pl.Series, known: pl.Series) -> str:
    """Say how to fill zeros in: in the events, or in the items where those have lost them."""
    here, there = _width(known), _width(unknown)
    if here is not None and _longest(unknown) <= here:
        return f"set zero_fill = {{ {_key(column)} = {here} }} in 'events', or export the ids as text"
    if there is not None and _longest(known) <= there:
        return f"set zero_fill = {{ … = {there} }} for the id of 'items', or export the ids as text"
    return "export the ids of both tables as text"


def _width(ids: pl.Series) -> int | None:
    """Return how many digits all ids have that are digits; None where they differ, or none begins with 0."""
    digits = ids.filter(ids.str.contains(r"^\d+$"))
    widths = digits.str.len_chars().unique()
    zeros = digits.str.starts_with("0").any()
    return int(widths[0]) if len(widths) == 1 and zeros else None


def _longest(ids: pl.Series) -> int:
    longest = ids.filter(ids.str.contains(r"^\d+$")).str.len_chars().max()
    return longest if isinstance(longest, int) else 0


def _key(column: str) -> str:
    plain = column.replace("_", "").replace("-", "")
    return column if plain.isascii() and plain.isalnum() else f'"{column}"'


def zero_fills(widths: Mapping[str, int]) -> str:
    """Return widths as a configuration writes them."""
    return "{ " + ", ".join(f"{_key(column)} = {width}" for column, width in widths.items()) + " }"
