"""Whether the first row of a table names its columns or is data already."""

from __future__ import annotations

import re
from collections.abc import Sequence

from polyscene.core.errors import Problem
from polyscene.data.tables.source import Source

_NUMBER_OR_TIME = re.compile(r"[-+.\d\s:/,eETZ]*\d[-+.\d\s:/,eETZ]*")
_LONG_TEXT = 80


def is_value(cell: str) -> bool:
    """Return whether a cell is a number or a time."""
    return bool(_NUMBER_OR_TIME.fullmatch(cell.strip()))


def looks_like_data(header: Sequence[str]) -> bool:
    """Return whether a header holds what no header holds: numbers, times, nothing, the same value twice.

    A column that follows from counting, such as the years of a wide table, is a name: one number among
    words is not enough, unless the first cell is one.
    """
    cells = [cell.strip() for cell in header]
    values = [is_value(cell) for cell in cells]
    if len(cells) < 2:
        return bool(values and values[0])
    words = [cell for cell, value in zip(cells, values, strict=True) if cell and not value]
    long = any(len(cell) > _LONG_TEXT for cell in cells)
    return values[0] or long or (sum(values) >= 1 and sum(values) >= len(words))


def old_line_ends(source: Source) -> Problem:
    """Return the problem of a file whose lines end in carriage returns alone."""
    return Problem(
        "the lines end as on old Macintoshes",
        "line feeds between rows",
        "carriage returns alone, so that the whole file is one line",
        "save the file again with line ends of Unix or Windows",
        file=source.shown,
    )
