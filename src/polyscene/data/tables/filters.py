"""`where`: an SQL condition over a table's own columns.

The values of text files have no types of their own. A column that the condition names is taken for
numbers (or true and false) where all of its values are, unless the condition only makes sense on text.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.core.text import shown
from polyscene.data.tables.formats import TROUBLE

_MAX_TRIED = 6
_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
_QUERY = re.compile(r"\b(?:select|table|read_\w+\s*\()", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Where:
    """A condition that was understood.

    Attributes:
        text: as the user wrote it.
        condition: the same as an expression.
        columns: the columns it names.
    """

    text: str
    condition: pl.Expr
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many values of a text column are there, and how many of them read as something else."""

    present: int = 0
    integers: int = 0
    numbers: int = 0
    truths: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.present + other.present,
            self.integers + other.integers,
            self.numbers + other.numbers,
            self.truths + other.truths,
        )

    @property
    def dtype(self) -> pl.DataType:
        """The type that fits every value."""
        if self.integers == self.present:
            return pl.Int64()
        if self.numbers == self.present:
            return pl.Float64()
        return pl.Boolean() if self.truths == self.present else pl.String()

    @property
    def mostly_numbers(self) -> bool:
        """Whether text is the exception in this column."""
        return self.numbers < self.present < 2 * self.numbers


def parse_where(text: str, file: str) -> Where:
    """Understand a condition.

    Raises:
        DataError: it is not an SQL expression, or it is a query, which could open other files.
    """
    if _QUERY.search(_QUOTED.sub("''", text)):
        raise DataError(refused(text, file, "a condition cannot contain a query"))
    try:
        condition = pl.sql_expr(text)
        return Where(text, condition, tuple(dict.fromkeys(condition.meta.root_names())))
    except TROUBLE as error:
        raise DataError(refused(text, file, str(error))) from None


def tallies(columns: Iterable[str]) -> list[pl.Expr]:
    """Return the aggregations behind `tally`, for the text columns of one file."""
    return [
        expression
        for name in columns
        for expression in (
            pl.col(name).count().alias(f"present:{name}"),
            typed(name, pl.Int64()).count().alias(f"integers:{name}"),
            typed(name, pl.Float64()).count().alias(f"numbers:{name}"),
            typed(name, pl.Boolean()).count().alias(f"truths:{name}"),
        )
    ]


def tally(name: str, row: Mapping[str, int]) -> Tally:
    """Read one column's tally out of the aggregated row."""
    return Tally(*(row[f"{what}:{name}"] for what in ("present", "integers", "numbers", "truths")))


def typed(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a text column as `dtype`, null where a value does not read as that."""
    text = pl.col(name)
    if isinstance(dtype, pl.String):
        return text
    text = text.str.strip_chars()
    if isinstance(dtype, pl.Boolean):
        lower = text.str.to_lowercase()
        return pl.when(lower.is_in(["true", "false"])).then(lower == "true").alias(name)
    return text.cast(dtype, strict=False)


def suitable_types(
    where: Where, schema: Mapping[str, pl.DataType], tallied: Mapping[str, Tally], file: str
) -> dict[str, pl.DataType]:
    """Choose types for the text columns that `where` names: numbers where they are, text where it must be.

    Args:
        where: the condition.
        schema: the types of the file's columns.
        tallied: what the text columns hold; empty for files that know their types.
        file: the file's name for messages.

    Raises:
        DataError: the condition cannot be used with any choice.
    """
    choices = [_choices(tallied[name]) for name in where.columns if name in tallied]
    names = [name for name in where.columns if name in tallied]
    plans = list(itertools.islice(itertools.product(*choices), 2**_MAX_TRIED))
    complaint = ""
    for plan in sorted(plans, key=lambda plan: sum(isinstance(dtype, pl.String) for dtype in plan)):
        types = dict(zip(names, plan, strict=True))
        try:
            pl.DataFrame(schema={**schema, **types}).lazy().filter(where.condition).collect()
        except TROUBLE as error:
            complaint = complaint or str(error)
        else:
            return types
    held = {name: tallied[name].dtype if name in tallied else schema[name] for name in where.columns}
    raise DataError(refused(where.text, file, complaint, held))


def _choices(tallied: Tally) -> list[pl.DataType]:
    return list(dict.fromkeys((tallied.dtype, pl.String())))


def refused(text: str, file: str, error: str, held: Mapping[str, pl.DataType] | None = None) -> Problem:
    """Return the problem of a condition that does not work; `held` says what its columns hold."""
    reason = (error.strip().splitlines() or ["no reason given"])[0]
    types = "; ".join(f"{name} holds {dtype}" for name, dtype in (held or {}).items())
    return Problem(
        "the filter 'where' cannot be used",
        'an SQL condition over the table\'s columns, such as "quantity > 0 and customer is not null"',
        f"{shown(text, 120)}: {shown(reason, 200)}" + (f" ({types})" if types else ""),
        "mend 'where'; compare numbers with numbers and text with 'text'",
        file=file,
        key="where",
    )
