"""Upworthy Research Archive: packages (headline, excerpt, image) in randomised tests, with their clicks.

Nobody's name is in it: the audience of a test stands for the user, a package for the item. The package with
the highest click rate of its test is the `choice`; the others are `view`s. The value is the click rate.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from polyscene.core.progress import Progress
from polyscene.data.public.base import PublicSet, content_ids, demand, find, read_text_table, write

_NEEDED = (
    "created_at",
    "clickability_test_id",
    "excerpt",
    "headline",
    "lede",
    "eyecatcher_id",
    "impressions",
    "clicks",
)


def convert(source: Path, out: Path, progress: Progress) -> str:
    """Write items and events; return their settings."""
    path = find(
        source, "*exploratory*.csv*", "*confirmatory*.csv*", "*holdout*.csv*", "*upworthy*.csv*", "*.csv"
    )
    raw = demand(read_text_table(path, ","), _NEEDED, path).collect()
    day = pl.col("created_at").str.replace(r"\.\d+$", "")
    packages = raw.select(
        content_ids(raw, ("headline", "excerpt", "lede", "eyecatcher_id")).alias("item_id"),
        pl.col("clickability_test_id").alias("test_id"),
        "headline",
        "excerpt",
        _bare("lede"),
        day.str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us").alias("time"),
        pl.col("impressions", "clicks").cast(pl.Float64),
    )
    shown = packages.filter(pl.col("impressions") > 0).with_columns(
        rate=pl.col("clicks") / pl.col("impressions")
    )
    arms = shown.unique(["test_id", "item_id"], keep="first", maintain_order=True)
    best = (pl.col("rate") == pl.col("rate").max().over("test_id")) & (pl.col("clicks") > 0)
    action = pl.when(best).then(pl.lit("choice")).otherwise(pl.lit("view")).alias("action")
    events = arms.select("test_id", "item_id", action, "rate", "time", "impressions", "clicks")
    write(events, out / "events.parquet")
    items = packages.unique("item_id", keep="first", maintain_order=True)
    write(items.select("item_id", "headline", "excerpt", "lede"), out / "items.parquet")
    progress.say("wrote packages and tests")
    return _SETTINGS


def _bare(column: str) -> pl.Expr:
    """Return a text without HTML tags."""
    return pl.col(column).str.replace_all(r"<[^>]*>", " ").str.replace_all(r"\s+", " ").str.strip_chars()


_SETTINGS = """\
name = "upworthy"

[scenarios.headlines]
template        = "{headline}. {excerpt} {lede}"
objectives      = [{ action = "choice" }]
actions         = { view = 0.0 }
users_are_local = true  # a "user" is the audience of one test

[scenarios.headlines.items]
path = "items.parquet"
id   = "item_id"
text = ["headline", "excerpt", "lede"]

[scenarios.headlines.events]
path   = "events.parquet"
user   = "test_id"
item   = "item_id"
action = "action"
value  = "rate"
time   = "time"

[evaluation]
protocol = "temporal"
cutoffs = [5, 10, 20]
"""

SET = PublicSet(
    "upworthy",
    "Upworthy Research Archive (exploratory set)",
    "https://upworthy.natematias.com/",
    "CC BY 4.0",
    "J. N. Matias, K. Munger, M. Aubin Le Quere, C. Ebersole (2021): The Upworthy Research Archive, a time "
    "series of 32,487 experiments in U.S. media. Scientific Data 8:195. doi:10.1038/s41597-021-00934-7",
    ("upworthy-archive-exploratory-packages-03.12.2020.csv",),
    convert,
)
