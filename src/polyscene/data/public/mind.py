"""MIND, Microsoft's news data: news.tsv and behaviors.tsv in a folder per part, without headers.

Each impression shows several items: every one of them becomes a `view` event, or a `click` where it was
clicked. What a user clicked before carries no times; those events stand, in order, in the seconds before the
user's first impression, as `train` where the part is for training and as `context` where it is not.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import polars as pl

from polyscene.core.progress import Progress
from polyscene.data.public.base import PublicSet, find, find_all, read_text_table, write

_NEWS = (
    "item_id",
    "category",
    "subcategory",
    "title",
    "abstract",
    "url",
    "title_entities",
    "abstract_entities",
)
_BEHAVIORS = ("impression_id", "user_id", "time", "history", "shown")
_COLUMNS = ("user_id", "item_id", "action", "time", "impression_id", "position", "split")
_WHEN = "%m/%d/%Y %I:%M:%S %p"


def convert(name: str, source: Path, out: Path, progress: Progress) -> str:
    """Write items and events of all labelled parts; return their settings."""
    find(source, "news.tsv")
    find(source, "behaviors.tsv")
    news = [read_text_table(path, "\t", _NEWS, quoted=False) for path in find_all(source, "news.tsv")]
    items = pl.concat(news).select("item_id", "title", "abstract", "category", "subcategory")
    write(items.unique("item_id", keep="first", maintain_order=True), out / "items.parquet")
    progress.say("wrote items")
    logs = sorted(find_all(source, "behaviors.tsv"), key=_part, reverse=True)  # training first
    parts = {path: _part(path) for path in logs}
    labelled = {path: part for path, part in parts.items() if _is_labelled(path)}
    for path in parts.keys() - labelled.keys():
        progress.say(f"left out {path.parent.name}: its impressions tell no clicks")
    frames = [frame for path, part in labelled.items() for frame in _events(path, part, labelled)]
    write(pl.concat(frames), out / "events.parquet")
    progress.say("wrote events")
    return _settings(name, split=len(set(labelled.values())) > 1)


def _part(path: Path) -> str:
    """Return 'test' for a development or test folder, 'train' for any other."""
    folder = path.parent.name.lower()
    return "test" if any(word in folder for word in ("dev", "valid", "test")) else "train"


def _behaviors(path: Path) -> pl.LazyFrame:
    time = pl.col("time").str.to_datetime(_WHEN, time_unit="us")
    return read_text_table(path, "\t", _BEHAVIORS, quoted=False).with_columns(time)


def _is_labelled(path: Path) -> bool:
    first = _behaviors(path).select(pl.col("shown").str.contains(r"-[01]( |$)")).head(1).collect()
    return bool(first.height and first.item())


def _events(path: Path, part: str, parts: dict[Path, str]) -> list[pl.LazyFrame]:
    """Return what was shown in one part, and what its users had clicked before."""
    behaviors = _behaviors(path)
    past = (
        behaviors.sort("time").group_by("user_id", maintain_order=True).agg(pl.col("time", "history").first())
    )
    if part == "test":
        for other in (other for other, kind in parts.items() if kind == "train"):
            past = past.join(_behaviors(other).select("user_id").unique(), on="user_id", how="anti")
    return [_shown(behaviors, part), _clicked_before(past, "train" if part == "train" else "context")]


def _shown(behaviors: pl.LazyFrame, part: str) -> pl.LazyFrame:
    lists = behaviors.with_columns(pl.col("shown").str.split(" ")).filter(pl.col("shown").list.len() > 0)
    places = lists.with_columns(position=pl.int_ranges(pl.col("shown").list.len(), dtype=pl.Int32))
    rows = places.select("impression_id", "user_id", "time", "shown", "position").explode("shown", "position")
    action = pl.when(pl.col("shown").str.ends_with("-1")).then(pl.lit("click")).otherwise(pl.lit("view"))
    item = pl.col("shown").str.replace(r"-[01]$", "")
    return rows.with_columns(item_id=item, action=action, split=pl.lit(part)).select(_COLUMNS)


def _clicked_before(past: pl.LazyFrame, part: str) -> pl.LazyFrame:
    lists = past.drop_nulls("history").with_columns(item_id=pl.col("history").str.split(" "))
    count = pl.col("item_id").list.len().cast(pl.Int64)
    rows = lists.with_columns(ago=pl.int_ranges(count, 0, -1)).explode("item_id", "ago")
    return rows.select(
        "user_id",
        "item_id",
        pl.lit("click").alias("action"),
        (pl.col("time") - pl.duration(seconds=pl.col("ago"))).alias("time"),
        pl.lit(None, dtype=pl.String).alias("impression_id"),
        pl.lit(None, dtype=pl.Int32).alias("position"),
        pl.lit(part).alias("split"),
    )


def _settings(name: str, split: bool) -> str:
    lines = [
        f'name = "{name}"',
        "",
        "[scenarios.news]",
        'template   = "{title}. {abstract} Category: {category}, {subcategory}."',
        'objectives = [{ action = "click" }]',
        "actions    = { view = 0.0 }  # shown and not clicked: nothing to learn a liking from",
        "",
        "[scenarios.news.items]",
        'path        = "items.parquet"',
        'id          = "item_id"',
        'text        = ["title", "abstract"]',
        'categorical = ["category", "subcategory"]',
        "",
        "[scenarios.news.events]",
        'path            = "events.parquet"',
        'user            = "user_id"',
        'item            = "item_id"',
        'action          = "action"',
        'time            = "time"',
        *(['split           = "split"'] if split else []),
        'on_unknown_item = "drop"',
        "",
        "[evaluation]",
        f'protocol = "{"given" if split else "temporal"}"',
        "cutoffs = [5, 10, 20]",
    ]
    return "\n".join(lines) + "\n"


def _edition(edition: str) -> PublicSet:
    return PublicSet(
        f"mind-{edition}",
        f"MIND, the Microsoft News Dataset ({edition})",
        "https://msnews.github.io/",
        "Microsoft Research License: research only",
        "F. Wu et al. (2020): MIND: A Large-scale Dataset for News Recommendation. ACL. "
        "doi:10.18653/v1/2020.acl-main.331",
        (
            "news.tsv",
            "behaviors.tsv",
            f"(a folder per part, such as MIND{edition}_train and MIND{edition}_dev)",
        ),
        partial(convert, f"mind-{edition}"),
    )


SETS = (_edition("small"), _edition("large"))
