"""Lists of ids that arrive as text: 'a b c', 'a,b,c' or a JSON list."""

from __future__ import annotations

import json
from typing import Any

import polars as pl


def id_lists(texts: pl.Series) -> pl.Series:
    """Return one list of ids per text; null where the text is missing or no list of plain values."""
    return pl.Series(
        texts.name, [None if text is None else _parsed(text) for text in texts], dtype=pl.List(pl.String)
    )


def _parsed(text: str) -> list[str | None] | None:
    text = text.strip()
    if text.startswith("["):
        return _from_json(text)
    if "," in text:
        return [part.strip() or None for part in text.split(",")]
    return list(text.split())


def _from_json(text: str) -> list[str | None] | None:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, list) or any(isinstance(value, dict | list | bool) for value in values):
        return None
    return [_id(value) for value in values]


def _id(value: Any) -> str | None:  # noqa: ANN401 - whatever JSON held
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None or value == "" else str(value)
