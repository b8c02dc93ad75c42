"""What a column is wanted for, and how its values are brought into that shape.

Everything here is a lazy expression, so that tables of any size stream through. Values that cannot be
converted are marked, not dropped: whoever reads the column counts them and names the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import polars as pl

from polyscene.core.text import shown
from polyscene.data.tables.lists import NAMING, id_lists, label_texts, number_lists
from polyscene.data.tables.times import TimeRule, to_micros

Kind = Literal["id", "ids", "text", "number", "time", "vector", "raw"]

WORDS: dict[Kind, str] = {
    "id": "text or whole numbers",
    "ids": "lists of ids, or texts such as 'a b c', 'a,b,c', '[\"a\", \"b\"]' or \"['a', 'b']\"",
    "text": "text, numbers or lists of them",
    "number": "numbers",
    "time": "times, texts that hold times, or numbers",
    "vector": "lists of numbers, or texts such as '0.1 0.2 0.3' or '[0.1, 0.2, 0.3]'",
    "raw": "anything",
}

COMMA_NUMBER = r"^\s*[-+]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?\s*$"
"""A number as it is written where the comma parts the fraction: 3,5 or 1.234,50."""
_WHOLE_FLOAT = r"^(-?(?:0|[1-9]\d*))\.0+$"
_EXACT = float(2**53)


@dataclass(frozen=True, slots=True)
class Need:
    """One column that a table must have.

    Attributes:
        key: the configuration key that names it, for messages.
        column: its name in the table.
        kind: what its values must be.
        rule: for times, how they are understood.
        width: for ids of digits, how many there are, zeros filled in; 0 leaves them alone.
        padded: for ids, whether some may have spaces around them.
    """

    key: str
    column: str
    kind: Kind
    rule: TimeRule | None = None
    width: int = 0
    padded: bool = True

    @property
    def alias(self) -> str:
        """The name of the converted column."""
        return f"{self.kind}:{self.column}"


def number_remedy(value: object) -> str:
    """Return what to do about a text in a column of numbers: what it is written like says it."""
    if isinstance(value, str) and "," in value and re.match(COMMA_NUMBER, value):
        return "set decimal = ',': the comma parts the fraction here; or mend the value"
    return "mend the value, or declare it missing: null_values = [" + shown(value) + "]"


def fits(kind: Kind, dtype: pl.DataType) -> bool:
    """Say whether a column of `dtype` can hold values of `kind`."""
    if kind == "raw":
        return True
    if kind == "ids":
        return isinstance(dtype, pl.String | pl.Null) or _inner(dtype) is not None
    if kind == "vector":
        inner = _inner(dtype)
        return isinstance(dtype, pl.String | pl.Null) or (inner is not None and inner.is_numeric())
    if kind == "text" and (_inner(dtype) is not None or named_in(dtype) is not None):
        return True
    if kind == "number":
        return dtype.is_numeric() or isinstance(dtype, pl.String | pl.Boolean | pl.Null)
    if kind == "time":
        return dtype.is_numeric() or isinstance(dtype, pl.String | pl.Date | pl.Datetime | pl.Null)
    return not (dtype.is_nested() or isinstance(dtype, pl.Binary | pl.Object))


def converted(need: Need, value: pl.Expr, dtype: pl.DataType, loose: bool) -> pl.Expr:
    """Return `value` in the shape its kind promises.

    id and text: String without spaces around it, null where missing or empty. ids: List(String). number:
    Float64, null where missing and infinity where the value is no finite number. time: Int64 by
    `polyscene.data.tables.times`. vector: List(Float64), null where missing; of text that is none, one NaN.

    Args:
        need: what is wanted.
        value: the raw column.
        dtype: its type in the file.
        loose: whether the file is text, where 17850.0 may mean the id 17850.
    """
    by_kind: dict[Kind, Callable[[], pl.Expr]] = {
        "id": lambda: _id(value, dtype, loose, need.width, need.padded),
        "ids": lambda: _ids(value, dtype, need.width),
        "text": lambda: _text(value, dtype),
        "number": lambda: _number(value, dtype),
        "time": lambda: _time(value, need.rule),
        "vector": lambda: _vector(value, dtype),
        "raw": lambda: value,
    }
    return by_kind[need.kind]().alias(need.alias)


def _id(value: pl.Expr, dtype: pl.DataType, loose: bool, width: int = 0, padded: bool = True) -> pl.Expr:
    if dtype.is_float():
        text = _float_text(value)
    else:
        text = value.cast(pl.String)
        text = text.str.strip_chars() if padded else text
        if loose or isinstance(dtype, pl.Decimal):
            text = text.str.replace(_WHOLE_FLOAT, "$1")
    if width:
        text = pl.when(text.str.contains(r"^\d+$")).then(text.str.zfill(width)).otherwise(text)
    return pl.when(text != "").then(text)


def _float_text(value: pl.Expr) -> pl.Expr:
    whole = (value == value.floor()) & (value.abs() <= _EXACT)
    text = (
        pl.when(whole)
        .then(value.cast(pl.Int64, strict=False).cast(pl.String))
        .otherwise(value.cast(pl.String))
    )
    return pl.when(value.is_not_nan()).then(text)


def _ids(value: pl.Expr, dtype: pl.DataType, width: int) -> pl.Expr:
    inner = _inner(dtype)
    if inner is None:
        lists = value.cast(pl.String).map_batches(
            id_lists, return_dtype=pl.List(pl.String), is_elementwise=True
        )
        return lists.list.eval(_id(pl.element(), pl.String(), loose=False, width=width)) if width else lists
    lists = value.arr.to_list() if isinstance(dtype, pl.Array) else value
    return lists.list.eval(_id(pl.element(), inner, loose=False, width=width))


def _text(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    naming = named_in(dtype)
    if naming is not None:
        lists = value.arr.to_list() if isinstance(dtype, pl.Array) else value
        names = lists.list.eval(pl.element().struct.field(naming).cast(pl.String))
        value = names.list.join(", ", ignore_nulls=True)
    elif _inner(dtype) is not None:
        lists = value.arr.to_list() if isinstance(dtype, pl.Array) else value
        value = lists.cast(pl.List(pl.String)).list.join(", ", ignore_nulls=True)
    elif dtype.is_float():
        value = _float_text(value)
    text = value.cast(pl.String).str.strip_chars()
    if isinstance(dtype, pl.String):
        text = text.map_batches(label_texts, return_dtype=pl.String, is_elementwise=True)
    return pl.when(text != "").then(text)


def _number(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.String):
        text = value.str.strip_chars()
        number = text.cast(pl.Float64, strict=False)
        missing = value.is_null() | (text == "")
    else:
        number = value.cast(pl.Float64)
        missing = value.is_null()
    return (
        pl.when(missing | number.is_nan().fill_null(False))
        .then(None)
        .when(number.is_finite())
        .then(number)
        .otherwise(float("inf"))
    )


def _vector(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if _inner(dtype) is None:
        return value.cast(pl.String).map_batches(
            number_lists, return_dtype=pl.List(pl.Float64), is_elementwise=True
        )
    lists = value.arr.to_list() if isinstance(dtype, pl.Array) else value
    return lists.cast(pl.List(pl.Float64))


def _time(value: pl.Expr, rule: TimeRule | None) -> pl.Expr:
    if rule is None:
        raise ValueError("a column of times needs a rule; got none; take one from `times.rule_for`")
    return value.map_batches(partial(to_micros, rule=rule), return_dtype=pl.Int64, is_elementwise=True)


def named_in(dtype: pl.DataType) -> str | None:
    """Return the field that names each member of a list of structures, such as `name`; None without one."""
    if not isinstance(dtype, pl.List | pl.Array) or not isinstance(dtype.inner, pl.Struct):
        return None
    fields = {field.name: field.dtype for field in dtype.inner.fields}
    return next((name for name in NAMING if isinstance(fields.get(name), pl.String)), None)


def _inner(dtype: pl.DataType) -> pl.DataType | None:
    """Return what a list holds, where that is a plain value; None for everything else."""
    if not isinstance(dtype, pl.List | pl.Array):
        return None
    inner = dtype.inner
    inner = inner() if isinstance(inner, type) else inner
    return None if inner.is_nested() or isinstance(inner, pl.Binary | pl.Object) else inner
