"""What both Amazon review editions share: a scenario per category, people shared by all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from polyscene.core.progress import Progress
from polyscene.data.public.base import MissingFileError, find_all, key_of
from polyscene.data.public.json_lines import Row, convert_lines

ITEM_SCHEMA: Mapping[str, pl.DataType] = {
    "item_id": pl.String(),
    "title": pl.String(),
    "description": pl.String(),
    "brand": pl.String(),
    "category": pl.String(),
    "price": pl.Float64(),
}
EVENT_SCHEMA: Mapping[str, pl.DataType] = {
    "user_id": pl.String(),
    "item_id": pl.String(),
    "rating": pl.Float64(),
    "timestamp": pl.Datetime("us"),
}
_LATEST = 4_102_444_800  # the year 2100
Rule = Callable[[Mapping[str, Any]], Row | None]


@dataclass(frozen=True, slots=True)
class Category:
    """One category's two files, as published."""

    name: str
    reviews: Path
    meta: Path


def categories(source: Path, reviews: tuple[str, ...], meta: tuple[str, ...], strip: str) -> list[Category]:
    """Return the categories whose reviews and item data are both there.

    Args:
        source: the folder.
        reviews: patterns of review files.
        meta: patterns of item files.
        strip: a regular expression of what follows the category in a file's name.

    Raises:
        MissingFileError: reviews without item data, or no reviews at all.
    """
    described = {re.sub(strip, "", path.name).removeprefix("meta_"): path for path in find_all(source, *meta)}
    reviewed = (path for path in find_all(source, *reviews) if not path.name.startswith("meta_"))
    named = {re.sub(strip, "", path.name): path for path in reviewed}
    if not named:
        raise MissingFileError(" or ".join(reviews))
    for name in sorted(named.keys() - described.keys()):
        raise MissingFileError(meta[0].replace("*", name, 1))
    return [Category(name, path, described[name]) for name, path in sorted(named.items())]


def when(seconds: float) -> datetime | None:
    """Return seconds since 1970 as a time in UTC; None where they cannot be one of a review."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None) if 0 < seconds < _LATEST else None


def convert(
    categories: Iterable[Category], out: Path, events: Rule, items: Rule, progress: Progress
) -> list[str]:
    """Write the tables of each category into a folder of its own; return the scenarios' names."""
    names = []
    for category in categories:
        name = key_of(category.name)
        convert_lines(category.meta, out / name / "items.parquet", ITEM_SCHEMA, items, progress)
        convert_lines(category.reviews, out / name / "events.parquet", EVENT_SCHEMA, events, progress)
        names.append(name)
    return names


def settings(project: str, scenarios: Iterable[str]) -> str:
    """Return the settings that describe the written tables."""
    lines = [f'name = "{project}"', ""]
    for name in scenarios:
        lines += [
            f"[scenarios.{name}]",
            'template = "{title}. {description} Brand: {brand}. Category: {category}."',
            "",
            f"[scenarios.{name}.items]",
            f'path         = "{name}/items.parquet"',
            'id           = "item_id"',
            'text         = ["title", "description"]',
            'categorical  = ["brand", "category"]',
            'numeric      = ["price"]',
            'on_duplicate = "first"  # some products are listed twice, with the same words',
            "",
            f"[scenarios.{name}.events]",
            f'path            = "{name}/events.parquet"',
            'user            = "user_id"',
            'item            = "item_id"',
            'value           = "rating"',
            'time            = "timestamp"',
            'on_unknown_item = "add"  # some reviewed products are not described',
            "",
        ]
    lines += [
        "[evaluation]",
        'protocol = "leave_last_out"  # as most papers on this set',
        "cutoffs = [5, 10, 20]",
    ]
    return "\n".join(lines) + "\n"
