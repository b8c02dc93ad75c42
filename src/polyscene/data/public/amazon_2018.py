"""Amazon reviews, 2018 edition: X_5.json.gz (5-core) and meta_X.json.gz, a JSON object per line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polyscene.core.progress import Progress
from polyscene.data.public import amazon
from polyscene.data.public.base import PublicSet
from polyscene.data.public.json_lines import Row, number, plain


def convert(source: Path, out: Path, progress: Progress) -> str:
    """Write items and events per category; return their settings."""
    reviews, meta = ("*_5.json.gz", "*_5.json"), ("meta_*.json.gz", "meta_*.json")
    categories = amazon.categories(source, reviews, meta, r"(_5)?\.json(\.gz)?$")
    return amazon.settings("amazon-reviews-2018", amazon.convert(categories, out, _event, _item, progress))


def _event(record: Mapping[str, Any]) -> Row | None:
    user, item, seconds = record.get("reviewerID"), record.get("asin"), record.get("unixReviewTime")
    if not (isinstance(user, str) and isinstance(item, str) and isinstance(seconds, int)):
        return None
    return user, item, number(record.get("overall")), amazon.when(seconds)


def _item(record: Mapping[str, Any]) -> Row | None:
    item = record.get("asin")
    if not isinstance(item, str):
        return None
    title = plain(record.get("title"))
    if title is not None and "getTime" in title:  # a piece of a web page's script instead of a title
        title = None
    path = record.get("category")
    category = (
        plain(path[1] if len(path) > 1 else path[0]) if isinstance(path, list) and path else plain(path)
    )
    return (
        item,
        title,
        plain(record.get("description")),
        plain(record.get("brand")),
        category,
        number(record.get("price")),
    )


SET = PublicSet(
    "amazon-reviews-2018",
    "Amazon Review Data (2018)",
    "https://nijianmo.github.io/amazon/",
    "none stated; research use with citation",
    "J. Ni, J. Li, J. McAuley (2019): Justifying Recommendations using Distantly-Labeled Reviews and "
    "Fine-Grained Aspects. EMNLP. doi:10.18653/v1/D19-1018",
    ("X_5.json.gz", "meta_X.json.gz (for one or more categories X)"),
    convert,
)
