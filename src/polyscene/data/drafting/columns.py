"""What one column looks like from its values: how full, how unique, how wordy, a number, a time, a list."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import polars as pl

from polyscene.core.text import shown
from polyscene.data.drafting import times
from polyscene.data.drafting.names import hint, tokens

WHOLE = r"^(-?(?:0|[1-9]\d*))\.0+$"
"""A whole number written with a fraction, as tables with gaps often are."""

Kind = Literal["text", "number", "time", "flag", "list", "empty", "other"]
_FLAGS = ({"0", "1"}, {"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"}, {"0.0", "1.0"})
_LOOKED_AT = 5_000
_MAX_STRAYS = 3
_COMMA_NUMBER = r"^[-+]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?$"
_LISTED = frozenset({"id", "tag", "genre", "category", "list", "item", "label", "keyword", "history"})
"""Words of columns in which a comma parts the members of a list, never the fraction of a number."""
_SAYS_NOTHING = r"(column|col|field|var|v|c|f|x)?[_ .-]?\d+|[a-z]|"
_MISSING = ["nan", "null", "none", "na", "n/a", "\\n", "-", "?"]


@dataclass(frozen=True, eq=False)
class Column:
    """A column seen through a sample.

    Attributes:
        kind: what its values are; "flag" is one of two words or numbers, "list" holds several per row.
        rows: rows of the sample.
        filled: share of rows with a value.
        distinct: the different values, as text (of lists: the different members).
        repeat: how often a value occurs on average.
        words: mean number of words per distinct value.
        chars: mean number of characters per distinct value.
        letters: share of distinct values with a letter.
        whole: whether all numbers are whole.
        low: the smallest number; NaN where it is not a number.
        high: the largest number.
        time_format: for texts that are times, how they are written.
        also: further formats, where it takes several to read the texts.
        rivals: other formats that read the texts just as well: day and month may change places.
        unread: for texts that are times, the share that is none.
        clock: for texts that are times of day, how they are written.
        strays: for numbers, the few texts among them.
        unit: for numbers that may be times, what `time_format` calls them: 's', 'ms', 'excel', '%Y%m%d' ...
        comma: whether its numbers are written with a decimal comma.
    """

    name: str
    kind: Kind
    values: pl.Series
    rows: int
    filled: float
    distinct: pl.Series
    repeat: float
    words: float = 0.0
    chars: float = 0.0
    letters: float = 0.0
    whole: bool = False
    low: float = float("nan")
    high: float = float("nan")
    time_format: str | None = None
    rivals: tuple[str, ...] = ()
    unread: float = 0.0
    clock: str | None = None
    unit: str | None = None
    strays: tuple[str, ...] = ()
    comma: bool = False
    also: tuple[str, ...] = ()

    @property
    def told_format(self) -> str | tuple[str, ...] | None:
        """What `time_format` has to say of this column; None where nothing."""
        if self.also and self.time_format is not None:
            return (self.time_format, *self.also)
        return self.unit or (None if times.is_iso(self.time_format) else self.time_format)

    @property
    def unique(self) -> float:
        """The share of filled rows whose value is a different one."""
        return 1.0 / self.repeat if self.repeat else 0.0

    @cached_property
    def text(self) -> pl.Series:
        """The values as text."""
        return self.values.cast(pl.String, strict=False)

    @cached_property
    def numbers(self) -> pl.Series:
        """The values as numbers; null where one is none."""
        if self.comma:
            return _with_points(self.text).cast(pl.Float64, strict=False)
        return self.values.cast(pl.Float64, strict=False)

    @property
    def says_nothing(self) -> bool:
        """Whether the name is none that anybody chose: `column_3`, `V2`, a letter."""
        return (
            re.fullmatch(r"(column|col|field|var|v|c|f|x)?[_ .-]?\d+|[a-z]|", self.name, re.IGNORECASE)
            is not None
        )

    @cached_property
    def parts(self) -> pl.Series:
        """The different members of a list, also of one written as text ('12 7 9', '[12, 7]')."""
        if self.kind == "list":
            return self.distinct
        return split_text(self.values.drop_nulls().head(_LOOKED_AT)).explode().drop_nulls().unique()

    @property
    def plain(self) -> pl.Series:
        """The distinct values as ids: 17850.0 is 17850."""
        return as_ids(self.distinct)

    @property
    def is_code(self) -> bool:
        """Whether values could be ids: no long texts, no fractions, no times, no lists."""
        if self.kind == "number":
            return self.whole and self.low >= 0 and not self.comma
        return self.kind == "text" and self.words < 1.5 and self.chars < 70

    def examples(self, most: int = 3) -> str:
        """Return a few values, escaped and shortened."""
        values = self.distinct.head(most).to_list()
        return ", ".join(shown(times.spoken(value) if self.kind == "time" else value, 24) for value in values)


def as_ids(values: pl.Series) -> pl.Series:
    """Return texts as ids are compared: without spaces around them and the '.0' of whole numbers."""
    return values.str.strip_chars().str.replace(WHOLE, "$1")


def id_of(column: str) -> pl.Expr:
    """Return a column as ids are compared; see `as_ids`."""
    return pl.col(column).cast(pl.String, strict=False).str.strip_chars().str.replace(WHOLE, "$1")


def split_text(values: pl.Series) -> pl.Series:
    """Return texts that hold lists as lists."""
    bare = values.str.replace_all(r"""[\["'\]]""", "").str.strip_chars()
    comma = values.str.contains(",", literal=True)
    return (
        bare.str.replace_all(r"\s*,\s*", ",")
        .zip_with(comma, bare.str.replace_all(r"\s+", ","))
        .str.split(",")
    )


def profile(values: pl.Series) -> Column:
    """Look at the values of one column."""
    name, rows = values.name, len(values)
    values = values.arr.to_list() if isinstance(values.dtype, pl.Array) else values
    if isinstance(values.dtype, pl.List):
        members = values.drop_nulls().explode().drop_nulls()
        if members.dtype.is_nested() or members.dtype in (pl.Binary, pl.Object):
            return _bare(name, "other", values)
        distinct = members.cast(pl.String, strict=False).unique(maintain_order=True)
        repeat = len(members) / max(1, len(distinct))
        return _described(Column(name, "list", values, rows, _filled(values), distinct, repeat))
    if isinstance(values.dtype, pl.Date | pl.Datetime):
        return _simple(name, "time", values)
    if values.dtype.is_nested() or values.dtype.is_temporal() or values.dtype in (pl.Binary, pl.Object):
        return _bare(name, "other", values)
    if values.dtype.is_numeric():
        return _number(name, values, values.cast(pl.Float64, strict=False))
    return _text(name, values.cast(pl.String, strict=False), values.dtype == pl.Boolean)


def _text(name: str, values: pl.Series, boolean: bool) -> Column:
    values = values.str.strip_chars()
    values = values.set(values == "", None)
    if boolean:
        return _simple(name, "flag", values)
    present = values.drop_nulls()
    if present.is_empty():
        return _bare(name, "empty", values)
    comma = not set(tokens(name)) & _LISTED and _has_decimal_commas(present)
    plain = _with_points(values) if comma else values
    numbers = plain.cast(pl.Float64, strict=False)
    numbers = numbers.set(~numbers.is_finite(), None)
    strays = values.filter(numbers.is_null() & values.is_not_null())
    odd = strays.filter(~strays.str.to_lowercase().is_in(_MISSING))
    mostly = (
        len(odd) <= 0.01 * len(present) and len(strays) < len(present) and strays.n_unique() <= _MAX_STRAYS
    )
    if mostly and not present.str.contains(r"^0\d").any():
        strange = tuple(strays.unique(maintain_order=True))
        return replace(_number(name, values, numbers), strays=strange, comma=comma)
    readings = times.readings(present)
    if readings:
        best, *others = readings
        rivals = tuple(other.pattern for other in others if other.share == best.share)
        column = _simple(name, "time", values, time_format=best.pattern)
        return replace(column, rivals=rivals, unread=1.0 - best.share)
    together = times.readings_together(present)
    if together:
        first, *also = [reading.pattern for reading in together]
        return replace(_simple(name, "time", values, time_format=first), also=tuple(also))
    column = _simple(name, "flag" if _is_flag(present) else "text", values)
    return replace(column, clock=times.time_of_day(present))


def _has_decimal_commas(present: pl.Series) -> bool:
    commas = present.str.contains(",", literal=True).any()
    return bool(commas) and bool(present.str.contains(_COMMA_NUMBER).all())


def _with_points(values: pl.Series) -> pl.Series:
    return values.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)


def _number(name: str, values: pl.Series, numbers: pl.Series) -> Column:
    present = numbers.drop_nulls().drop_nans()
    if present.is_empty():
        return _bare(name, "empty", values)
    low, high = float(present.min()), float(present.max())  # type: ignore[arg-type]
    whole = bool((present == present.round()).all())
    unit = times.number_unit(present, hint(name, "time") > 0)
    kind: Kind = "flag" if low == 0 and high == 1 and whole else "number"
    return _simple(name, kind, values, whole=whole, low=low, high=high, unit=unit)


def _simple(
    name: str,
    kind: Kind,
    values: pl.Series,
    *,
    whole: bool = False,
    low: float = float("nan"),
    high: float = float("nan"),
    time_format: str | None = None,
    unit: str | None = None,
) -> Column:
    distinct = values.drop_nulls().cast(pl.String, strict=False).unique(maintain_order=True)
    repeat = (len(values) - values.null_count()) / max(1, len(distinct))
    return _described(
        Column(
            name, kind, values, len(values), _filled(values), distinct, repeat,
            whole=whole, low=low, high=high, time_format=time_format, unit=unit,
        )
    )  # fmt: skip


def _described(column: Column) -> Column:
    """Add what the texts of the distinct values look like."""
    look = column.distinct.head(_LOOKED_AT)
    if look.is_empty():
        return column
    words = look.str.strip_chars().str.count_matches(r"\s+").mean()
    chars = look.str.len_chars().mean()
    letters = look.str.contains(r"\p{L}").mean()
    return replace(
        column, words=1.0 + _number_of(words), chars=_number_of(chars), letters=_number_of(letters)
    )


def share_of(mask: pl.Series) -> float:
    """Return the share of a boolean series that is true; 0 where it is empty."""
    return _number_of(mask.mean())


def _number_of(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _bare(name: str, kind: Kind, values: pl.Series) -> Column:
    return Column(name, kind, values, len(values), _filled(values), pl.Series(name, [], dtype=pl.String), 0.0)


def _filled(values: pl.Series) -> float:
    return 1.0 - values.null_count() / max(1, len(values))


def _is_flag(present: pl.Series) -> bool:
    words = set(present.str.to_lowercase().unique().head(3).to_list())
    return len(words) == 2 and words in _FLAGS
