"""Lists that arrive as text: 'a b c', 'a,b,c', a JSON list or a Python list, of ids or of labels."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from polyscene.data.tables.literals import literal

NAMING = ("name", "title", "label", "value", "description")
"""Keys that name a member which is an object, best first: {'id': 16, 'name': 'Animation'}."""
_START, _END = "[", "]"


def id_lists(texts: pl.Series) -> pl.Series:
    """Return one list of ids per text; null where the text is missing or no list of plain values."""
    return pl.Series(
        texts.name, [None if text is None else _parsed(text) for text in texts], dtype=pl.List(pl.String)
    )


def number_lists(texts: pl.Series) -> pl.Series:
    """Return one list of numbers per text, parted by spaces or commas; null where the text is missing.

    What is no list of numbers gives one NaN: it is there, and no number.
    """
    return pl.Series(texts.name, [_numbers(text) for text in texts], dtype=pl.List(pl.Float64))


def label_texts(texts: pl.Series) -> pl.Series:
    """Return texts in which a list of labels is written as people do: "['a', 'b']" as 'a, b'.

    A list of objects gives their names; an empty list gives null. What is no list, or one of numbers only,
    stays as it is.
    """
    listed = texts.str.starts_with(_START) & texts.str.ends_with(_END)
    if not listed.any():
        return texts
    distinct = texts.filter(listed).unique()
    labels = pl.Series([_labels(text) for text in distinct], dtype=pl.String)
    written = texts.replace_strict(distinct, labels, default=None, return_dtype=pl.String)
    return texts.zip_with(~listed.fill_null(False), written).rename(texts.name)


def _numbers(text: str | None) -> list[float] | None:
    bare = "" if text is None else text.strip()
    if not bare:
        return None
    try:
        return [
            float(part) for part in bare.removeprefix(_START).removesuffix(_END).replace(",", " ").split()
        ]
    except ValueError:
        return [float("nan")]


def _labels(text: str) -> str | None:
    values = _listed(text)
    if values is None:
        return text
    if not values:
        return None
    labels = [_label(value) for value in values]
    if all(isinstance(value, int | float) for value in values) or any(label is None for label in labels):
        return text
    return ", ".join(label for label in labels if label)


def _label(value: Any) -> str | None:  # noqa: ANN401 - whatever the list held
    """Return a member as a label; None where it has no name, '' where it is missing."""
    if isinstance(value, dict):
        named = (value[key] for key in NAMING if isinstance(value.get(key), str))
        return next(named, None)
    if value is None:
        return ""
    return None if isinstance(value, list | bool) else str(value).strip()


def _parsed(text: str) -> list[str | None] | None:
    text = text.strip()
    if text.startswith(_START):
        return _ids(text)
    if "," in text:
        return [part.strip() or None for part in text.split(",")]
    return list(text.split())


def _ids(text: str) -> list[str | None] | None:
    values = _listed(text)
    if values is None or any(isinstance(value, dict | list | bool) for value in values):
        return None
    return [_id(value) for value in values]


def _listed(text: str) -> list[Any] | None:
    """Return the members of a list in the notation of JSON or Python; None where it is neither."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        try:
            values = literal(text)
        except ValueError:
            return None
    return values if isinstance(values, list) else None


def _id(value: Any) -> str | None:  # noqa: ANN401 - whatever the list held
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None or value == "" else str(value).strip() or None
