"""Amazon reviews, 2023 edition: X.jsonl and meta_X.jsonl (also packed), a JSON object per line."""

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
    reviews, meta = ("*.jsonl.gz", "*.jsonl"), ("meta_*.jsonl.gz", "meta_*.jsonl")
    categories = amazon.categories(source, reviews, meta, r"\.jsonl(\.gz)?$")
    return amazon.settings("amazon-reviews-2023", amazon.convert(categories, out, _event, _item, progress))


def _event(record: Mapping[str, Any]) -> Row | None:
    """Return one review; variants of a product are one item, `parent_asin`."""
    user, item, millis = record.get("user_id"), record.get("parent_asin"), record.get("timestamp")
    if not (isinstance(user, str) and isinstance(item, str) and isinstance(millis, int)):
        return None
    return user, item, number(record.get("rating")), amazon.when(millis / 1000)


def _item(record: Mapping[str, Any]) -> Row | None:
    item = record.get("parent_asin")
    if not isinstance(item, str):
        return None
    path = record.get("categories")
    category = plain(path[1] if len(path) > 1 else path[0]) if isinstance(path, list) and path else None
    words = plain(record.get("description")) or plain(record.get("features"))
    return (
        item,
        plain(record.get("title")),
        words,
        plain(record.get("store")),
        category or plain(record.get("main_category")),
        number(record.get("price")),
    )


SET = PublicSet(
    "amazon-reviews-2023",
    "Amazon Reviews 2023",
    "https://amazon-reviews-2023.github.io/",
    "none stated; research use with citation",
    "Y. Hou, J. Li, Z. He, A. Yan, X. Chen, J. McAuley (2024): Bridging Language and Items for Retrieval and "
    "Recommendation. arXiv:2403.03952",
    ("X.jsonl.gz", "meta_X.jsonl.gz (for one or more categories X)"),
    convert,
)
